package ovation.peer;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/** How many messages a user has, and when the last one was. In the order of a board: see {@link ChannelBoard}. */
record UserCount(String user, long count, long reached) implements Comparable<UserCount> {
    @Override
    public int compareTo(UserCount other) {
        if (count != other.count) {
            return Long.compare(other.count, count);
        }
        int byTime = Long.compare(reached, other.reached);
        return byTime != 0 ? byTime : user.compareTo(other.user);
    }

    byte[] toBytes() {
        return new Result('U').number(count).number(reached).text(user).bytes();
    }

    static UserCount of(byte[] bytes) {
        return of(ByteBuffer.wrap(bytes, 1, bytes.length - 1));
    }

    static UserCount of(ByteBuffer in) {
        long count = in.getLong();
        long reached = in.getLong();
        byte[] user = new byte[in.getShort()];
        in.get(user);
        return new UserCount(new String(user, StandardCharsets.UTF_8), count, reached);
    }
}
