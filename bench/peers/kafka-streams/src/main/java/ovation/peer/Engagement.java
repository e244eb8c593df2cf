package ovation.peer;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiConsumer;

/** Messages and distinct chatters of all channels, every minute: see {@link ChannelMinute}. */
final class Engagement extends View {
    Engagement() {
        super(Windows.MINUTE, Windows.MINUTE);
    }

    /** Windows have nothing in common. */
    @Override
    boolean isEmpty() {
        return true;
    }

    @Override
    void end(long end, List<ChatEvent> events, BiConsumer<String, byte[]> out) {
        Map<String, ChannelMinute> channels = new HashMap<>();
        for (ChatEvent event : events) {
            if (event.kind() != ChatEvent.Kind.OTHER) {
                channels.computeIfAbsent(event.channel(), name -> new ChannelMinute()).count(event);
            }
        }
        channels.forEach((name, channel) -> out.accept(name, channel.result(name, end)));
    }
}
