package ovation.peer;

import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.function.BiConsumer;

/** The boards of all channels, every ten seconds: see {@link ChannelBoard}. */
final class Board extends View {
    private final Map<String, ChannelBoard> channels = new HashMap<>();

    Board() {
        super(Windows.SLIDE, Windows.LENGTH);
    }

    /** What is taken back is taken back however late. */
    @Override
    boolean isLate(ChatEvent event) {
        return event.kind() == ChatEvent.Kind.MESSAGE && super.isLate(event);
    }

    @Override
    boolean isEmpty() {
        return channels.isEmpty();
    }

    @Override
    void end(long end, List<ChatEvent> events, BiConsumer<String, byte[]> out) {
        for (ChannelBoard channel : channels.values()) {
            channel.expire(end - Windows.LENGTH);
        }
        for (ChatEvent event : events) {
            if (event.isOfUser()) {
                channels.computeIfAbsent(event.channel(), name -> new ChannelBoard()).count(event);
            } else if (event.kind() != ChatEvent.Kind.MESSAGE) {
                ChannelBoard channel = channels.get(event.channel());
                if (channel != null) {
                    channel.count(event);
                }
            }
        }
        for (Iterator<Map.Entry<String, ChannelBoard>> all = channels.entrySet().iterator(); all.hasNext(); ) {
            Map.Entry<String, ChannelBoard> entry = all.next();
            byte[] result = entry.getValue().settle(entry.getKey(), end);
            if (result != null) {
                out.accept(entry.getKey(), result);
            }
            if (entry.getValue().isEmpty()) {
                all.remove();
            }
        }
    }
}
