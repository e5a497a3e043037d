package dev.hither;

/** How far a transfer is. */
public final class Progress {
    private final long done;
    private final long total;

    Progress(long done, long total) {
        this.done = done;
        this.total = total;
    }

    /** Bytes that the receiver has verified and written or, on the sending side, that were sent. */
    public long done() {
        return done;
    }

    /** Bytes that will travel in all; 0 of a stream, as nobody knows. */
    public long total() {
        return total;
    }

    @Override
    public String toString() {
        return done + " of " + total;
    }
}
