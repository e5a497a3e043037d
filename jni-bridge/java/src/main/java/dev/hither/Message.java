package dev.hither;

import java.time.Instant;

/** A message that arrived. */
public final class Message {
    private final String id;
    private final PeerId from;
    private final Standing standing;
    private final String text;
    private final Instant time;

    Message(String id, PeerId from, Standing standing, String text, Instant time) {
        this.id = id;
        this.from = from;
        this.standing = standing;
        this.text = text;
        this.time = time;
    }

    /** Its name. */
    public String id() {
        return id;
    }

    /** Who wrote and signed it. */
    public PeerId from() {
        return from;
    }

    /** What they are to this node. */
    public Standing standing() {
        return standing;
    }

    /** As it was sent: control characters and all. */
    public String text() {
        return text;
    }

    /** When, by the sender's clock. */
    public Instant time() {
        return time;
    }

    @Override
    public String toString() {
        return "message " + id + " from " + from;
    }
}
