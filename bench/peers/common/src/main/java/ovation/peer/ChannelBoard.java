package ovation.peer;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.TreeMap;

/**
 * The users with the most messages of the last five minutes in one channel: the first hundred by score, then by who reached it first (the
 * latest event that counted), then by name (of ASCII, as ours are; other names would be ordered by UTF-16). Panes and running sums.
 */
final class ChannelBoard {
    private static final Comparator<User> ORDER =
        Comparator.<User>comparingInt(user -> -user.score).thenComparingLong(user -> user.reached).thenComparing(user -> user.name);

    static final class User {
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
    static final class Cell {
        final User user;
        int count;

        Cell(User user) {
            this.user = user;
        }
    }

    /** Ten seconds of a channel. */
    static final class Pane {
        final Map<User, Cell> cells = new HashMap<>();
        /** In which cell a message counts. A cell that was taken back as a whole stays at 0. */
        final Map<String, Cell> messages = new HashMap<>();
    }

    final Map<String, User> users = new HashMap<>();
    /** The same, to be looked through. */
    final ArrayList<User> list = new ArrayList<>();
    final TreeMap<Long, Pane> panes = new TreeMap<>();
    /** Users who may have nothing left. Empty between two ends. */
    private final List<User> fallen = new ArrayList<>();
    long total;
    private boolean isChanged;

    boolean isEmpty() {
        return list.isEmpty();
    }

    /** Ends a window; {@code events} are those that became visible since the window before, in order. Its result, if there is one. */
    byte[] end(String name, long end, List<ChatEvent> events) {
        expire(end - Windows.LENGTH);
        for (ChatEvent event : events) {
            count(event);
        }
        return settle(name, end);
    }

    /** Forgets what is before {@code start}. */
    void expire(long start) {
        while (!panes.isEmpty() && panes.firstKey() < start) {
            Pane pane = panes.pollFirstEntry().getValue();
            pane.cells.values().forEach(cell -> lose(cell, cell.count));
        }
    }

    /** Counts a message, or takes back. */
    void count(ChatEvent event) {
        if (event.kind() != ChatEvent.Kind.MESSAGE) {
            takeBack(event);
            return;
        }
        User user = users.computeIfAbsent(event.user(), name -> {
            User added = new User(name);
            added.index = list.size();
            added.reached = event.eventTime();
            list.add(added);
            return added;
        });
        Pane pane = panes.computeIfAbsent(Windows.floor(event.eventTime(), Windows.SLIDE), start -> new Pane());
        Cell cell = pane.cells.computeIfAbsent(user, Cell::new);
        cell.count++;
        pane.messages.put(event.message(), cell);
        user.score++;
        user.reached = Math.max(user.reached, event.eventTime());
        total++;
        isChanged = true;
    }

    /** Drops who has nothing left. The result of the window, unless there is and was nobody. */
    byte[] settle(String name, long end) {
        for (User user : fallen) {
            if (user.score == 0 && users.get(user.name) == user) {
                drop(user);
            }
        }
        fallen.clear();
        byte[] result = isChanged || !list.isEmpty() ? result(name, end) : null;
        isChanged = false;
        return result;
    }

    private void takeBack(ChatEvent event) {
        for (Pane pane : panes.values()) {
            switch (event.kind()) {
                case DELETED -> {
                    Cell cell = pane.messages.remove(event.message());
                    if (cell != null && cell.count > 0) {
                        lose(cell, 1);
                        if (cell.count == 0) {
                            pane.cells.remove(cell.user);
                        }
                    }
                }
                case BANNED -> {
                    User user = users.get(event.user());
                    Cell cell = user == null ? null : pane.cells.remove(user);
                    if (cell != null) {
                        lose(cell, cell.count);
                    }
                }
                case CLEARED -> {
                    pane.cells.values().forEach(cell -> lose(cell, cell.count));
                    pane.cells.clear();
                    pane.messages.clear();
                }
                default -> { }
            }
        }
    }

    private void lose(Cell cell, int count) {
        cell.count -= count;
        cell.user.score -= count;
        total -= count;
        isChanged = true;
        if (cell.user.score == 0) {
            fallen.add(cell.user);
        }
    }

    private void drop(User user) {
        users.remove(user.name);
        User last = list.remove(list.size() - 1);
        if (last != user) {
            list.set(user.index, last);
            last.index = user.index;
        }
    }

    private byte[] result(String name, long end) {
        List<User> places = first(list);
        Result result = new Result('B').text(name).number(end).number(list.size()).number(total);
        result.number(places.size());
        for (User user : places) {
            result.text(user.name).number(user.score);
        }
        return result.bytes();
    }

    /** The first places in order. Looking through a list with a bound costs less than keeping all users in a sorted set. */
    private static List<User> first(List<User> users) {
        if (users.size() <= Windows.PLACES) {
            List<User> all = new ArrayList<>(users);
            all.sort(ORDER);
            return all;
        }
        PriorityQueue<User> best = new PriorityQueue<>(Windows.PLACES, ORDER.reversed());
        for (User user : users) {
            if (best.size() < Windows.PLACES) {
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
