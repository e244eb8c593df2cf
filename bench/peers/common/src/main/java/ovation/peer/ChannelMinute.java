package ovation.peer;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Messages and distinct chatters of one channel and minute, without those that moderators took back within it. */
final class ChannelMinute {
    private record Message(String id, String user, long eventTime) {}

    private final Map<String, Message> messages = new HashMap<>();
    /** The messages of every chatter. */
    private final Map<String, List<Message>> chatters = new HashMap<>();

    byte[] result(String name, long end) {
        return new Result('E').text(name).number(end).number(messages.size()).number(chatters.size()).bytes();
    }

    /** Counts a message, or takes back. Events come in order. */
    void count(ChatEvent event) {
        switch (event.kind()) {
            case MESSAGE -> {
                Message message = new Message(event.message(), event.user(), event.eventTime());
                if (messages.putIfAbsent(message.id(), message) == null && message.user() != null) {
                    chatters.computeIfAbsent(message.user(), user -> new ArrayList<>(2)).add(message);
                }
            }
            case DELETED -> {
                Message message = messages.get(event.message());
                if (message != null) {
                    takeBack(List.of(message), event.eventTime());
                }
            }
            case BANNED -> takeBack(chatters.getOrDefault(event.user(), List.of()), event.eventTime());
            case CLEARED -> takeBack(messages.values(), event.eventTime());
            default -> { }
        }
    }

    private void takeBack(Iterable<Message> candidates, long eventTime) {
        List<Message> gone = new ArrayList<>();
        for (Message message : candidates) {
            if (message.eventTime() <= eventTime) {
                gone.add(message);
            }
        }
        for (Message message : gone) {
            messages.remove(message.id());
            List<Message> others = chatters.get(message.user());
            if (others != null) {
                others.remove(message);
                if (others.isEmpty()) {
                    chatters.remove(message.user());
                }
            }
        }
    }
}
