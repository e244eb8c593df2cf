package ovation.peer;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

import org.apache.flink.streaming.api.functions.windowing.ProcessWindowFunction;
import org.apache.flink.streaming.api.windowing.windows.TimeWindow;
import org.apache.flink.util.Collector;

/** Messages and distinct chatters of a channel's minute, once it has ended. */
final class MinuteFunction extends ProcessWindowFunction<ChatEvent, byte[], String, TimeWindow> {
    @Override
    public void process(String channel, Context context, Iterable<ChatEvent> waiting, Collector<byte[]> out) {
        List<ChatEvent> events = new ArrayList<>();
        for (ChatEvent event : waiting) {
            if (event.kind() != ChatEvent.Kind.OTHER) {
                events.add(event);
            }
        }
        if (events.isEmpty()) {
            return;
        }
        Collections.sort(events);
        ChannelMinute minute = new ChannelMinute();
        events.forEach(minute::count);
        out.collect(minute.result(channel, context.window().getEnd() * 1_000));
    }
}
