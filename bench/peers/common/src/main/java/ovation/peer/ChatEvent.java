package ovation.peer;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/**
 * What the workloads need of a chat event, and its place in the order of visibility: an event is visible from the later of its own time and
 * the watermark when it was read; among those that are visible from one instant the offset decides. Times are in microseconds.
 */
record ChatEvent(Kind kind, long eventTime, long visibleFrom, long offset, String channel, String user, String message)
    implements Comparable<ChatEvent> {

    /** MESSAGE: the message {@code message} of {@code user}. DELETED takes that message back, BANNED all of that user, CLEARED all. */
    enum Kind {
        MESSAGE,
        DELETED,
        BANNED,
        CLEARED,
        OTHER;

        private static final Kind[] ALL = values();

        static Kind of(String symbol) {
            return switch (symbol) {
                case "message" -> MESSAGE;
                case "message_deleted" -> DELETED;
                case "user_banned", "user_timed_out" -> BANNED;
                case "chat_cleared" -> CLEARED;
                default -> OTHER;
            };
        }
    }

    /** Whether somebody wrote a message. */
    boolean isOfUser() {
        return kind == Kind.MESSAGE && user != null;
    }

    @Override
    public int compareTo(ChatEvent other) {
        int byTime = Long.compare(visibleFrom, other.visibleFrom);
        return byTime != 0 ? byTime : Long.compare(offset, other.offset);
    }

    /** For the store; the offset is the key. */
    byte[] toBytes() {
        byte[] channelBytes = channel.getBytes(StandardCharsets.UTF_8);
        byte[] userBytes = user == null ? null : user.getBytes(StandardCharsets.UTF_8);
        byte[] messageBytes = message == null ? null : message.getBytes(StandardCharsets.UTF_8);
        int length = 17 + 6 + channelBytes.length + length(userBytes) + length(messageBytes);
        ByteBuffer out = ByteBuffer.allocate(length);
        out.put((byte) kind.ordinal()).putLong(eventTime).putLong(visibleFrom);
        put(channelBytes, out);
        put(userBytes, out);
        put(messageBytes, out);
        return out.array();
    }

    static ChatEvent of(long offset, byte[] bytes) {
        ByteBuffer in = ByteBuffer.wrap(bytes);
        Kind kind = Kind.ALL[in.get()];
        long eventTime = in.getLong();
        long visibleFrom = in.getLong();
        return new ChatEvent(kind, eventTime, visibleFrom, offset, text(in), text(in), text(in));
    }

    private static int length(byte[] text) {
        return text == null ? 0 : text.length;
    }

    private static void put(byte[] text, ByteBuffer out) {
        out.putShort((short) (text == null ? -1 : text.length));
        if (text != null) {
            out.put(text);
        }
    }

    private static String text(ByteBuffer in) {
        int length = in.getShort();
        if (length < 0) {
            return null;
        }
        String text = new String(in.array(), in.position(), length, StandardCharsets.UTF_8);
        in.position(in.position() + length);
        return text;
    }
}
