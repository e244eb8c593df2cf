package ovation.peer;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** The first hundred of the users that were put in, how many these were, and their messages. Kept as the bytes that a store has of it. */
final class Top {
    static final Top NOBODY = new Top(new byte[] {'T', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
    private static final int USERS = 1;
    private static final int MESSAGES = 9;
    private static final int PLACES = 17;
    private static final int LEAST = 25;
    private static final int FIRST = 33;

    private final byte[] bytes;

    private Top(byte[] bytes) {
        this.bytes = bytes;
    }

    static Top of(byte[] bytes) {
        return new Top(bytes);
    }

    byte[] toBytes() {
        return bytes;
    }

    Top with(UserCount user) {
        ByteBuffer in = ByteBuffer.wrap(bytes);
        long users = in.getLong(USERS) + 1;
        long messages = in.getLong(MESSAGES) + user.count();
        if (in.getLong(PLACES) == Windows.PLACES && user.count() < in.getLong(LEAST)) {
            byte[] copy = bytes.clone();
            ByteBuffer.wrap(copy).putLong(USERS, users).putLong(MESSAGES, messages);
            return new Top(copy);
        }
        List<UserCount> places = places();
        int place = Collections.binarySearch(places, user);
        places.add(place < 0 ? -place - 1 : place, user);
        if (places.size() > Windows.PLACES) {
            places.remove(Windows.PLACES);
        }
        Result out = new Result('T').number(users).number(messages).number(places.size()).number(places.get(places.size() - 1).count());
        for (UserCount one : places) {
            out.number(one.count()).number(one.reached()).text(one.user());
        }
        return new Top(out.bytes());
    }

    private List<UserCount> places() {
        ByteBuffer in = ByteBuffer.wrap(bytes);
        long count = in.getLong(PLACES);
        List<UserCount> places = new ArrayList<>(Windows.PLACES + 1);
        in.position(FIRST);
        for (long i = 0; i < count; i++) {
            places.add(UserCount.of(in));
        }
        return places;
    }

    byte[] result(String channel, long end) {
        ByteBuffer in = ByteBuffer.wrap(bytes);
        Result out = new Result('B').text(channel).number(end).number(in.getLong(USERS)).number(in.getLong(MESSAGES));
        out.number(in.getLong(PLACES));
        for (UserCount one : places()) {
            out.text(one.user()).number(one.count());
        }
        return out.bytes();
    }
}
