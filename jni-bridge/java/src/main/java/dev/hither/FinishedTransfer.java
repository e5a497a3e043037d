package dev.hither;

import java.time.Duration;
import java.util.List;

/** How a transfer ended well: everything arrived, was verified and is in place. */
public final class FinishedTransfer {
    private final long bytes;
    private final long resumed;
    private final Duration took;
    private final boolean local;
    private final String root;
    private final List<String> paths;

    FinishedTransfer(long bytes, long resumed, Duration took, boolean local, String root, List<String> paths) {
        this.bytes = bytes;
        this.resumed = resumed;
        this.took = took;
        this.local = local;
        this.root = root;
        this.paths = paths;
    }

    /** Bytes of content that travelled. */
    public long bytes() {
        return bytes;
    }

    /** Bytes of content that did not have to travel again. */
    public long resumed() {
        return resumed;
    }

    /** From consent to the end. */
    public Duration took() {
        return took;
    }

    /** Whether it went over a local network. */
    public boolean isLocal() {
        return local;
    }

    /** The root of the content: of a single file its BLAKE3, in hexadecimal. */
    public String root() {
        return root;
    }

    /** Where the outermost entries are now; on the sending side, where they came from. Empty where a descriptor was filled. */
    public List<String> paths() {
        return paths;
    }

    @Override
    public String toString() {
        return bytes + " bytes, " + root;
    }
}
