package dev.hither;

import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A transfer that is under way or can be gone on with, as it stood when you asked. */
public final class TransferStatus {
    private final String id;
    private final PeerId peer;
    private final boolean sending;
    private final String name;
    private final int files;
    private final long bytes;
    private final long done;
    private final @Nullable Instant begun;
    private final TransferState state;
    private final List<String> paths;

    TransferStatus(
            String id,
            PeerId peer,
            boolean sending,
            String name,
            int files,
            long bytes,
            long done,
            @Nullable Instant begun,
            TransferState state,
            List<String> paths) {
        this.id = id;
        this.peer = peer;
        this.sending = sending;
        this.name = name;
        this.files = files;
        this.bytes = bytes;
        this.done = done;
        this.begun = begun;
        this.state = state;
        this.paths = paths;
    }

    /** Its id, as {@link Transfer#id()}; {@link Hither#transfer} gives the transfer to act on. */
    public String id() {
        return id;
    }

    /** The other side. */
    public PeerId peer() {
        return peer;
    }

    /** Whether this side sends. */
    public boolean isSending() {
        return sending;
    }

    /** What the whole is called; empty before that is known, and where no record is kept. */
    public String name() {
        return name;
    }

    /** Files in it. */
    public int files() {
        return files;
    }

    /** Bytes of all of them. */
    public long bytes() {
        return bytes;
    }

    /** Bytes that the receiver has, as far as is known here. */
    public long done() {
        return done;
    }

    /** When it was begun; null where no record is kept. */
    public @Nullable Instant begun() {
        return begun;
    }

    /** How it stands. */
    public TransferState state() {
        return state;
    }

    /** The paths that are sent, or the folder that it goes into. */
    public List<String> paths() {
        return paths;
    }

    @Override
    public String toString() {
        return "transfer " + id + ", " + state;
    }
}
