package ovation.peer;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.BiConsumer;

/**
 * What is computed from chat: a window ends at every multiple of {@link #step}, and its result shows what was visible before its end. Events
 * wait until then, so that what moderators take back is taken back in the order of visibility, whatever the order of arrival.
 */
abstract class View {
    final long step;
    /** For how long an event counts. */
    private final long length;
    private final TreeMap<Long, List<ChatEvent>> waiting = new TreeMap<>();
    private long lastEnd = Long.MIN_VALUE;

    View(long step, long length) {
        this.step = step;
        this.length = length;
    }

    /** Takes an event, unless it is too late. */
    final boolean take(ChatEvent event) {
        if (isLate(event)) {
            return false;
        }
        waiting.computeIfAbsent(floor(event.visibleFrom()) + step, end -> new ArrayList<>()).add(event);
        return true;
    }

    /** Whether every window that it belongs to had ended when it came. The watermark of then is not behind what it is visible from. */
    boolean isLate(ChatEvent event) {
        return floor(event.eventTime()) + length <= event.visibleFrom();
    }

    /** Ends all windows up to the watermark. */
    final void advance(long watermark, BiConsumer<String, byte[]> out) {
        while (true) {
            Map.Entry<Long, List<ChatEvent>> first = waiting.firstEntry();
            long next = Math.min(first == null ? Long.MAX_VALUE : first.getKey(), isEmpty() ? Long.MAX_VALUE : lastEnd + step);
            if (next > watermark) {
                return;
            }
            List<ChatEvent> events = waiting.remove(next);
            if (events != null) {
                Collections.sort(events);
            }
            end(next, events == null ? List.of() : events, out);
            lastEnd = next;
        }
    }

    final long floor(long time) {
        return Windows.floor(time, step);
    }

    /** Whether nothing is left that a later window would show. */
    abstract boolean isEmpty();

    /** Ends the window: with these events it is complete. */
    abstract void end(long end, List<ChatEvent> events, BiConsumer<String, byte[]> out);
}
