package dev.hither;

import java.nio.file.Path;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * One transfer of a node, to act on. Two of the same node and id are equal. Every method may be called from any thread, and
 * throws {@link HitherException} with {@link HitherException.Reason#CLOSED} once the node is closed.
 */
public final class Transfer {
    private final Hither node;
    private final String id;

    Transfer(Hither node, String id) {
        this.node = node;
        this.id = id;
    }

    /** Its id: 32 hexadecimal digits, the same on both sides and after a restart. */
    public String id() {
        return id;
    }

    /**
     * Takes an offer into the folder of the {@linkplain Offer#into() offer}, and refuses it where a name is taken.
     *
     * @throws HitherException {@link HitherException.Reason#UNKNOWN_TRANSFER}: it does not wait for an answer
     */
    public void accept() {
        accept(null, null, Conflict.REFUSE);
    }

    /** Takes an offer into a folder, which is made if it does not exist, and refuses it where a name is taken. */
    public void accept(Path into) {
        accept(Objects.requireNonNull(into), null, Conflict.REFUSE);
    }

    /**
     * Takes an offer.
     *
     * @param into the folder it goes into; null: that of the offer
     * @param name another name for the only outermost entry; null: its own
     * @param conflict what to do where names are taken
     * @throws HitherException {@link HitherException.Reason#UNKNOWN_TRANSFER}: it does not wait for an answer; {@link
     *     HitherException.Reason#INVALID_NAME}: it cannot go by that name
     */
    public void accept(@Nullable Path into, @Nullable String name, Conflict conflict) {
        Native.accept(node.handle(), id, into == null ? null : into.toString(), name, conflict.name());
    }

    /**
     * Takes an offer of a {@linkplain Offer#isSingleFile() single file} into a file descriptor, such as that of a document which
     * the user chose. What arrives is kept in the node's directory until it is whole and verified, and written then; {@link
     * Listener#onFinished} comes after that. What was written to a file before is replaced.
     *
     * <p>The descriptor is duplicated: close yours when you like. After a restart of the app an interrupted transfer goes on
     * into the node's directory, and {@link Listener#onFinished} names the file there.
     *
     * @param descriptor such as {@code ParcelFileDescriptor.getFd()} of one that was opened for writing
     * @throws HitherException {@link HitherException.Reason#INVALID_DESCRIPTOR}, {@link
     *     HitherException.Reason#UNKNOWN_TRANSFER}, {@link HitherException.Reason#INVALID_ARGUMENT}: it is no single file
     */
    public void acceptInto(int descriptor) {
        Native.acceptDescriptor(node.handle(), id, descriptor);
    }

    /** Refuses an offer. */
    public void refuse() {
        Native.refuse(node.handle(), id);
    }

    /** Lets it stand still until {@link #resume()}, across restarts too. */
    public void pause() {
        Native.pause(node.handle(), id);
    }

    /** Goes on with it, if it stands still or was interrupted: the other side is looked for. */
    public void resume() {
        Native.resume(node.handle(), id);
    }

    /** Gives it up for good. What is whole of it stays where it is; what is partial is removed. */
    public void cancel() {
        Native.cancel(node.handle(), id);
    }

    /** How far it is; null when it is not under way. */
    public @Nullable Progress progress() {
        long[] progress = Native.progress(node.handle(), id);
        return progress == null ? null : new Progress(progress[0], progress[1]);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Transfer && ((Transfer) other).node == node && ((Transfer) other).id.equals(id);
    }

    @Override
    public int hashCode() {
        return id.hashCode();
    }

    @Override
    public String toString() {
        return "transfer " + id;
    }
}
