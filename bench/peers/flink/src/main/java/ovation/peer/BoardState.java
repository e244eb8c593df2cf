package ovation.peer;

import java.io.IOException;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;

/** A channel's board, and the events that wait for the end of their ten seconds, by that end. */
final class BoardState {
    final ChannelBoard board;
    final TreeMap<Long, List<ChatEvent>> waiting = new TreeMap<>();

    BoardState(ChannelBoard board) {
        this.board = board;
    }

    /** One that shares nothing with it that changes. A message that was taken back with all of its user's is left out: nothing can happen to it. */
    BoardState copy() {
        BoardState copy = new BoardState(new ChannelBoard());
        for (ChannelBoard.User user : board.list) {
            copy.addUser(user.name, user.score, user.reached);
        }
        copy.board.total = board.total;
        board.panes.forEach((start, pane) -> {
            ChannelBoard.Pane copied = new ChannelBoard.Pane();
            Map<ChannelBoard.Cell, ChannelBoard.Cell> cells = new IdentityHashMap<>(pane.cells.size());
            pane.cells.values().forEach(cell -> cells.put(cell, copy.addCell(copied, cell.user.index, cell.count)));
            pane.messages.forEach((message, cell) -> {
                if (cell.count > 0) {
                    copied.messages.put(message, cells.get(cell));
                }
            });
            copy.board.panes.put(start, copied);
        });
        waiting.forEach((end, events) -> copy.waiting.put(end, new ArrayList<>(events)));
        return copy;
    }

    void write(DataOutputView out) throws IOException {
        out.writeInt(board.list.size());
        for (ChannelBoard.User user : board.list) {
            out.writeUTF(user.name);
            out.writeInt(user.score);
            out.writeLong(user.reached);
        }
        out.writeLong(board.total);
        out.writeInt(board.panes.size());
        for (Map.Entry<Long, ChannelBoard.Pane> pane : board.panes.entrySet()) {
            out.writeLong(pane.getKey());
            write(pane.getValue(), out);
        }
        out.writeInt(waiting.size());
        for (Map.Entry<Long, List<ChatEvent>> events : waiting.entrySet()) {
            out.writeLong(events.getKey());
            out.writeInt(events.getValue().size());
            for (ChatEvent event : events.getValue()) {
                Types.write(event, out);
            }
        }
    }

    private static void write(ChannelBoard.Pane pane, DataOutputView out) throws IOException {
        out.writeInt(pane.cells.size());
        for (ChannelBoard.Cell cell : pane.cells.values()) {
            out.writeInt(cell.user.index);
            out.writeInt(cell.count);
        }
        for (Map.Entry<String, ChannelBoard.Cell> message : pane.messages.entrySet()) {
            if (message.getValue().count > 0) {
                out.writeUTF(message.getKey());
                out.writeInt(message.getValue().user.index);
            }
        }
        out.writeUTF("");
    }

    static BoardState read(DataInputView in) throws IOException {
        BoardState state = new BoardState(new ChannelBoard());
        for (int users = in.readInt(); users > 0; users--) {
            state.addUser(in.readUTF(), in.readInt(), in.readLong());
        }
        state.board.total = in.readLong();
        for (int panes = in.readInt(); panes > 0; panes--) {
            ChannelBoard.Pane pane = new ChannelBoard.Pane();
            state.board.panes.put(in.readLong(), pane);
            for (int cells = in.readInt(); cells > 0; cells--) {
                state.addCell(pane, in.readInt(), in.readInt());
            }
            for (String message = in.readUTF(); !message.isEmpty(); message = in.readUTF()) {
                pane.messages.put(message, pane.cells.get(state.board.list.get(in.readInt())));
            }
        }
        for (int ends = in.readInt(); ends > 0; ends--) {
            long end = in.readLong();
            int count = in.readInt();
            List<ChatEvent> events = new ArrayList<>(count);
            for (int i = 0; i < count; i++) {
                events.add(Types.readChat(in));
            }
            state.waiting.put(end, events);
        }
        return state;
    }

    private void addUser(String name, int score, long reached) {
        ChannelBoard.User user = new ChannelBoard.User(name);
        user.score = score;
        user.reached = reached;
        user.index = board.list.size();
        board.list.add(user);
        board.users.put(name, user);
    }

    private ChannelBoard.Cell addCell(ChannelBoard.Pane pane, int index, int count) {
        ChannelBoard.Cell cell = new ChannelBoard.Cell(board.list.get(index));
        cell.count = count;
        pane.cells.put(cell.user, cell);
        return cell;
    }
}
