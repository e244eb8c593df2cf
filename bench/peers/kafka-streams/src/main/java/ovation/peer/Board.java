package ovation.peer;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.TreeMap;
import java.util.function.BiConsumer;

/**
 * The users with the most messages of the last five minutes, for every channel, every ten seconds: the first hundred by score, then by who
 * reached it first (the latest event that counted), then by name (of ASCII, as ours are; other names would be ordered by UTF-16).
 */
final class Board extends View {
    private static final long SLIDE = 10_000_000;
    private static final long LENGTH = 300_000_000;
    private static final int PLACES = 100;

    private static final Comparator<User> ORDER =
        Comparator.<User>comparingInt(user -> -user.score).thenComparingLong(user -> user.reached).thenComparing(user -> user.name);

    private static final class User {
        final String name;
        int score;
        long reached;
        /** Its place in the list of its channel. */
        int index;

        User(String name) {
            this.name = name;
        }
    }

    /** The messages of a user in a pane. */
    private static final class Cell {
        final User user;
        int count;

        Cell(User user) {
            this.user = user;
        }
    }

    /** Ten seconds of a channel. */
    private static final class Pane {
        final Map<User, Cell> cells = new HashMap<>();
        /** In which cell a message counts. A cell that was taken back as a whole stays at 0. */
        final Map<String, Cell> messages = new HashMap<>();
    }

    private static final class Channel {
        final Map<String, User> users = new HashMap<>();
        /** The same, to be looked through. */
        final ArrayList<User> list = new ArrayList<>();
        final TreeMap<Long, Pane> panes = new TreeMap<>();
        /** Users who may have nothing left. */
        final List<User> fallen = new ArrayList<>();
        long total;
        boolean isChanged;

        void lose(Cell cell, int count) {
            cell.count -= count;
            cell.user.score -= count;
            total -= count;
            isChanged = true;
            if (cell.user.score == 0) {
                fallen.add(cell.user);
            }
        }

        void drop(User user) {
            users.remove(user.name);
            User last = list.remove(list.size() - 1);
            if (last != user) {
                list.set(user.index, last);
                last.index = user.index;
            }
        }
    }

    private final Map<String, Channel> channels = new HashMap<>();

    Board() {
        super(SLIDE, LENGTH);
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
        for (Channel channel : channels.values()) {
            expire(channel, end - LENGTH);
        }
        for (ChatEvent event : events) {
            count(event);
        }
        for (Iterator<Map.Entry<String, Channel>> all = channels.entrySet().iterator(); all.hasNext(); ) {
            Map.Entry<String, Channel> entry = all.next();
            Channel channel = entry.getValue();
            for (User user : channel.fallen) {
                if (user.score == 0 && channel.users.get(user.name) == user) {
                    channel.drop(user);
                }
            }
            channel.fallen.clear();
            if (channel.isChanged || !channel.list.isEmpty()) {
                out.accept(entry.getKey(), result(entry.getKey(), channel, end));
            }
            channel.isChanged = false;
            if (channel.list.isEmpty()) {
                all.remove();
            }
        }
    }

    private static void expire(Channel channel, long start) {
        while (!channel.panes.isEmpty() && channel.panes.firstKey() < start) {
            Pane pane = channel.panes.pollFirstEntry().getValue();
            pane.cells.values().forEach(cell -> channel.lose(cell, cell.count));
        }
    }

    private void count(ChatEvent event) {
        if (event.kind() != ChatEvent.Kind.MESSAGE) {
            Channel channel = channels.get(event.channel());
            if (channel != null) {
                takeBack(channel, event);
            }
            return;
        }
        if (event.user() == null) {
            return;
        }
        Channel channel = channels.computeIfAbsent(event.channel(), name -> new Channel());
        User user = channel.users.computeIfAbsent(event.user(), name -> {
            User added = new User(name);
            added.index = channel.list.size();
            added.reached = event.eventTime();
            channel.list.add(added);
            return added;
        });
        Pane pane = channel.panes.computeIfAbsent(floor(event.eventTime()), start -> new Pane());
        Cell cell = pane.cells.computeIfAbsent(user, Cell::new);
        cell.count++;
        pane.messages.put(event.message(), cell);
        user.score++;
        user.reached = Math.max(user.reached, event.eventTime());
        channel.total++;
        channel.isChanged = true;
    }

    private static void takeBack(Channel channel, ChatEvent event) {
        for (Pane pane : channel.panes.values()) {
            switch (event.kind()) {
                case DELETED -> {
                    Cell cell = pane.messages.remove(event.message());
                    if (cell != null && cell.count > 0) {
                        channel.lose(cell, 1);
                        if (cell.count == 0) {
                            pane.cells.remove(cell.user);
                        }
                    }
                }
                case BANNED -> {
                    User user = channel.users.get(event.user());
                    Cell cell = user == null ? null : pane.cells.remove(user);
                    if (cell != null) {
                        channel.lose(cell, cell.count);
                    }
                }
                case CLEARED -> {
                    pane.cells.values().forEach(cell -> channel.lose(cell, cell.count));
                    pane.cells.clear();
                    pane.messages.clear();
                }
                default -> { }
            }
        }
    }

    private static byte[] result(String name, Channel channel, long end) {
        List<User> places = first(channel.list);
        Result result = new Result('B').text(name).number(end).number(channel.list.size()).number(channel.total);
        result.number(places.size());
        for (User user : places) {
            result.text(user.name).number(user.score);
        }
        return result.bytes();
    }

    /** The first places in order. Looking through a list with a bound costs less than keeping all users in a sorted set. */
    private static List<User> first(List<User> users) {
        if (users.size() <= PLACES) {
            List<User> all = new ArrayList<>(users);
            all.sort(ORDER);
            return all;
        }
        PriorityQueue<User> best = new PriorityQueue<>(PLACES, ORDER.reversed());
        for (User user : users) {
            if (best.size() < PLACES) {
                best.add(user);
            } else if (user.score >= best.peek().score && ORDER.compare(user, best.peek()) < 0) {
                best.poll();
                best.add(user);
            }
        }
        List<User> places = new ArrayList<>(best);
        places.sort(ORDER);
        return places;
    }
}
