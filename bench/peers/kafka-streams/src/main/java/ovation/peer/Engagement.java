package ovation.peer;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiConsumer;

/** Messages and distinct chatters of every channel and minute, without those that moderators took back within it. */
final class Engagement extends View {
    private static final long MINUTE = 60_000_000;

    private record Message(String id, String user, long eventTime) {}

    private static final class Channel {
        final Map<String, Message> messages = new HashMap<>();
        /** The messages of every chatter. */
        final Map<String, List<Message>> chatters = new HashMap<>();
    }

    Engagement() {
        super(MINUTE, MINUTE);
    }

    /** Windows have nothing in common. */
    @Override
    boolean isEmpty() {
        return true;
    }

    @Override
    void end(long end, List<ChatEvent> events, BiConsumer<String, byte[]> out) {
        Map<String, Channel> channels = new HashMap<>();
        for (ChatEvent event : events) {
            if (event.kind() != ChatEvent.Kind.OTHER) {
                count(channels.computeIfAbsent(event.channel(), name -> new Channel()), event);
            }
        }
        channels.forEach((name, channel) -> out.accept(
            name,
            new Result('E').text(name).number(end).number(channel.messages.size()).number(channel.chatters.size()).bytes()));
    }

    private static void count(Channel channel, ChatEvent event) {
        switch (event.kind()) {
            case MESSAGE -> {
                Message message = new Message(event.message(), event.user(), event.eventTime());
                if (channel.messages.putIfAbsent(message.id(), message) == null && message.user() != null) {
                    channel.chatters.computeIfAbsent(message.user(), user -> new ArrayList<>(2)).add(message);
                }
            }
            case DELETED -> {
                Message message = channel.messages.get(event.message());
                if (message != null) {
                    takeBack(channel, List.of(message), event.eventTime());
                }
            }
            case BANNED -> takeBack(channel, channel.chatters.getOrDefault(event.user(), List.of()), event.eventTime());
            case CLEARED -> takeBack(channel, channel.messages.values(), event.eventTime());
            default -> { }
        }
    }

    private static void takeBack(Channel channel, Iterable<Message> messages, long eventTime) {
        List<Message> gone = new ArrayList<>();
        for (Message message : messages) {
            if (message.eventTime() <= eventTime) {
                gone.add(message);
            }
        }
        for (Message message : gone) {
            channel.messages.remove(message.id());
            List<Message> others = channel.chatters.get(message.user());
            if (others != null) {
                others.remove(message);
                if (others.isEmpty()) {
                    channel.chatters.remove(message.user());
                }
            }
        }
    }
}
