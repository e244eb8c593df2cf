package ovation.peer;

/** The windows of the workloads, in microseconds. */
final class Windows {
    /** How far behind the largest event time the watermark is: for so long what is out of order is waited for. */
    static final long LATENESS = 2_000_000;
    static final long SECOND = 1_000_000;
    static final long MINUTE = 60 * SECOND;
    /** A board is shown so often ... */
    static final long SLIDE = 10 * SECOND;
    /** ... of so long. */
    static final long LENGTH = 5 * MINUTE;
    /** Places of a board. */
    static final int PLACES = 100;

    private Windows() {}

    /** The start of the step that a time is in. */
    static long floor(long time, long step) {
        return Math.floorDiv(time, step) * step;
    }
}
