package dev.hither;

import java.util.Objects;

/** What was asked for was not done, for a {@linkplain #reason() reason}. Nothing was changed, unless the reason says so. */
public final class HitherException extends RuntimeException {
    private static final long serialVersionUID = 1;

    private final Reason reason;

    HitherException(Reason reason, String text) {
        super(text);
        this.reason = Objects.requireNonNull(reason);
    }

    HitherException(Reason reason, String text, Throwable cause) {
        super(text, cause);
        this.reason = Objects.requireNonNull(reason);
    }

    /** Why. */
    public Reason reason() {
        return reason;
    }

    @Override
    public String toString() {
        return "dev.hither.HitherException: " + reason + ": " + getMessage();
    }

    /** Why something was not done. */
    public enum Reason {
        /** The node is closed. */
        CLOSED,
        /** Another node, of this process or another, is using the directory. */
        IN_USE,
        /** A directory or file cannot be made, read or written. */
        NOT_WRITABLE,
        /** The key file is none, is damaged or under a passphrase. It was left as it is. */
        KEY_UNUSABLE,
        /** No socket can be opened: the port is taken, or there is no such network interface. */
        NETWORK,
        /** What should be an id is none. The message says where it is mistyped. */
        INVALID_ID,
        /** An argument makes no sense. */
        INVALID_ARGUMENT,
        /** What should be a file descriptor is none that is open, or is that of a directory. */
        INVALID_DESCRIPTOR,
        /** This system cannot do that. */
        UNSUPPORTED,
        /** No transfer of this id waits for that. */
        UNKNOWN_TRANSFER,
        /** There is no such contact. */
        UNKNOWN_CONTACT,
        /** A name that is not allowed. */
        INVALID_NAME,
        /** Another contact has the name. */
        NAME_TAKEN,
        /** The id is the node's own. */
        ONESELF,
        /** The contact is blocked. */
        BLOCKED,
        /** A text is longer than it can be. */
        TOO_LONG,
        /** As many as there can be at once are there already. */
        TOO_MANY,
        /** The records cannot be read or written: nothing that must last can be promised. */
        RECORDS_UNUSABLE,
        /** The native library cannot be loaded. */
        NO_LIBRARY,
        /** A fault of Hither's. Please report it. */
        INTERNAL
    }
}
