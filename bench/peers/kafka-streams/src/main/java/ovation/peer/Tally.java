package ovation.peer;

import java.nio.ByteBuffer;

/** Two numbers: how many, and another that goes with it. */
record Tally(long count, long last) {
    byte[] toBytes() {
        return ByteBuffer.allocate(16).putLong(count).putLong(last).array();
    }

    static Tally of(byte[] bytes) {
        ByteBuffer in = ByteBuffer.wrap(bytes);
        return new Tally(in.getLong(), in.getLong());
    }
}
