package dev.hither;

/** How a transfer ended without everything in place. */
public final class FailedTransfer {
    private final TransferFailure why;
    private final String detail;
    private final int kept;
    private final boolean resumable;

    FailedTransfer(TransferFailure why, String detail, int kept, boolean resumable) {
        this.why = why;
        this.detail = detail;
        this.kept = kept;
        this.resumable = resumable;
    }

    /** Why. */
    public TransferFailure why() {
        return why;
    }

    /** What else there is to say: a path, the system's words, or the name of a constant as {@link #why()} has it. May be empty. */
    public String detail() {
        return detail;
    }

    /** Files that had been put in place before, whole and verified. */
    public int kept() {
        return kept;
    }

    /** Whether {@link Transfer#resume()}, or offering the same again, goes on from here. */
    public boolean isResumable() {
        return resumable;
    }

    @Override
    public String toString() {
        return detail.isEmpty() ? why.toString() : why + ": " + detail;
    }
}
