package dev.hither;

/** Someone whom you know, as they stood in the contacts when you asked. */
public final class Contact {
    private final PeerId id;
    private final String name;
    private final boolean blocked;
    private final boolean verified;

    Contact(PeerId id, String name, boolean blocked, boolean verified) {
        this.id = id;
        this.name = name;
        this.blocked = blocked;
        this.verified = verified;
    }

    /** Who. */
    public PeerId id() {
        return id;
    }

    /** What you call them. */
    public String name() {
        return name;
    }

    /** Whether nothing is taken from them. */
    public boolean isBlocked() {
        return blocked;
    }

    /** Whether you have compared the {@linkplain Hither#safetyWords safety words} with them. */
    public boolean isVerified() {
        return verified;
    }

    @Override
    public String toString() {
        return name + " (" + id + ")";
    }
}
