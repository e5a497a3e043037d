package dev.hither;

import java.util.Objects;

/** Who someone is: the public key of a node, written as {@code hi1…}. */
public final class PeerId implements Comparable<PeerId> {
    private final String text;

    private PeerId(String text) {
        this.text = text;
    }

    /**
     * The id of a text, as it was typed, pasted or scanned.
     *
     * @throws HitherException {@link HitherException.Reason#INVALID_ID}: the message names the place of a typing error
     */
    public static PeerId parse(String text) {
        return new PeerId(Native.canonicalPeerId(Objects.requireNonNull(text)));
    }

    /** The same of a text that the library has written. */
    static PeerId known(String text) {
        return new PeerId(text);
    }

    /** The text, 61 characters. */
    @Override
    public String toString() {
        return text;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof PeerId && ((PeerId) other).text.equals(text);
    }

    @Override
    public int hashCode() {
        return text.hashCode();
    }

    @Override
    public int compareTo(PeerId other) {
        return text.compareTo(other.text);
    }
}
