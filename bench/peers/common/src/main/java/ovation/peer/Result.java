package ovation.peer;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** A result as bytes: a letter for what it is, then numbers in eight bytes and texts with their length in two, big endian. */
final class Result {
    private ByteBuffer out = ByteBuffer.allocate(256);

    Result(char what) {
        out.put((byte) what);
    }

    Result number(long number) {
        reserve(8);
        out.putLong(number);
        return this;
    }

    Result text(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        reserve(2 + bytes.length);
        out.putShort((short) bytes.length).put(bytes);
        return this;
    }

    byte[] bytes() {
        return Arrays.copyOf(out.array(), out.position());
    }

    /** The text that stands there in a result; of ASCII, as all that ours begin with. */
    static String text(byte[] bytes, int at) {
        return new String(bytes, at + 2, ByteBuffer.wrap(bytes).getShort(at), StandardCharsets.UTF_8);
    }

    private void reserve(int length) {
        if (out.remaining() < length) {
            out.flip();
            out = ByteBuffer.allocate(2 * out.capacity() + length).put(out);
        }
    }
}
