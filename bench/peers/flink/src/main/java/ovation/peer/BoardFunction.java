package ovation.peer;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/**
 * The board of each channel, every ten seconds. Events wait for the end of their ten seconds, so that what moderators take back is taken back in
 * the order of event time.
 */
final class BoardFunction extends KeyedProcessFunction<String, ChatEvent, byte[]> {
    private transient ValueState<BoardState> states;

    @Override
    public void open(OpenContext context) {
        states = getRuntimeContext().getState(new ValueStateDescriptor<>("board", Types.BOARD));
    }

    @Override
    public void processElement(ChatEvent event, Context context, Collector<byte[]> out) throws Exception {
        long end = Windows.floor(event.eventTime(), Windows.SLIDE) + Windows.SLIDE;
        if (end / 1_000 - 1 <= context.timerService().currentWatermark()) {
            throw new IllegalStateException("an event that comes too late: this job is not written for those");
        }
        BoardState state = states.value();
        if (state == null) {
            state = new BoardState(new ChannelBoard());
            states.update(state);
        }
        List<ChatEvent> waiting = state.waiting.get(end);
        if (waiting == null) {
            waiting = new ArrayList<>();
            state.waiting.put(end, waiting);
            context.timerService().registerEventTimeTimer(end / 1_000 - 1);
        }
        waiting.add(event);
    }

    @Override
    public void onTimer(long timestamp, OnTimerContext context, Collector<byte[]> out) throws Exception {
        long end = (timestamp + 1) * 1_000;
        BoardState state = states.value();
        if (state == null) {
            return;
        }
        List<ChatEvent> events = state.waiting.remove(end);
        if (events == null) {
            events = List.of();
        } else {
            events.removeIf(event -> event.kind() == ChatEvent.Kind.MESSAGE && !event.isOfUser());
            Collections.sort(events);
        }
        byte[] result = state.board.end(context.getCurrentKey(), end, events);
        if (result != null) {
            out.collect(result);
        }
        if (!state.board.isEmpty()) {
            context.timerService().registerEventTimeTimer((end + Windows.SLIDE) / 1_000 - 1);
        } else if (state.waiting.isEmpty()) {
            states.clear();
        }
    }
}
