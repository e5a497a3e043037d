package dev.hither;

import java.net.InetSocketAddress;
import java.util.List;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.jspecify.annotations.Nullable;

/**
 * Is told what happens. Implement what you need.
 *
 * <p>After {@link Hither#listen} all methods are called on one thread of the node's own, one after the other; after {@link
 * Hither#poll} on the thread that polls. Nothing else of the node waits for them, but the events behind do: be quick, and on
 * Android hand over to the main thread what touches views. They may call anything of the node, {@link Hither#close()}
 * included.
 */
public interface Listener {
    /** A message arrived, and is stored. */
    default void onMessage(Hither node, Message message) {}

    /** A message of ours came to a new state; {@code id} is what {@link Hither#sendMessage} gave. */
    default void onMessageState(Hither node, String id, PeerId to, MessageState state) {}

    /** An offer arrived, whole. {@link Offer#decision()} says whether you are to answer. */
    default void onOffer(Hither node, Offer offer) {}

    /** A stranger's offer was refused by rule. Told once for each stranger. */
    default void onTurnedAway(Hither node, PeerId from, String name, int files, long bytes) {}

    /** What we offer was looked through and is on its way; {@code leftOut} are links and special files that are not in it. */
    default void onOffering(Hither node, Transfer transfer, String name, int entries, long bytes, List<String> leftOut) {}

    /** A transfer was accepted: so many bytes will travel, and so many are there from an attempt before. */
    default void onStarted(Hither node, Transfer transfer, long bytes, long resumed) {}

    /** One that was begun before came again: {@code held} of {@code bytes} are there, {@code lost} should have been too. */
    default void onResuming(
            Hither node, Transfer transfer, PeerId from, long held, long bytes, long lost, int changedFiles) {}

    /** One that was begun before begins from the start. */
    default void onStartsOver(Hither node, Transfer transfer, PeerId from) {}

    /** The link was lost; it goes on by itself as soon as there is one again. */
    default void onSuspended(Hither node, Transfer transfer, long done, long total) {}

    /** The other side lets it stand still, or go on. */
    default void onPaused(Hither node, Transfer transfer, boolean paused) {}

    /** Symbolic links of it were not made, as this disk does not allow any. */
    default void onLinksLeftOut(Hither node, Transfer transfer, List<String> links) {}

    /** Everything arrived, was verified and is in place: on both sides. */
    default void onFinished(Hither node, Transfer transfer, FinishedTransfer how) {}

    /** It ended without everything in place. */
    default void onFailed(Hither node, Transfer transfer, FailedTransfer how) {}

    /** A peer proved itself on a first link. */
    default void onConnected(Hither node, PeerId peer, InetSocketAddress address, boolean local) {}

    /** The last link to a peer is gone. */
    default void onDisconnected(Hither node, PeerId peer, LinkLoss why) {}

    /** A peer that was asked for could not be reached. */
    default void onUnreachable(Hither node, PeerId peer, Unreachable why) {}

    /** Who is near has changed: ask {@link Hither#peers()}. */
    default void onPeersChanged(Hither node) {}

    /** The time is over for which this node showed itself. */
    default void onHidden(Hither node) {}

    /** A code of ours can be entered by others from now on: {@link Hither#codeWords} has its words. */
    default void onCodeReady(Hither node, String code, java.time.Instant expires, int attemptsLeft) {}

    /** Somebody tried a wrong code on one of ours. */
    default void onCodeAttempt(Hither node, String code, int attemptsLeft) {}

    /** Somebody was found who may have made the code that was entered here. */
    default void onCodeFound(Hither node, String code) {}

    /** Both sides have proven the code; {@code transfer} is the one in which the code's paths are offered, or null. */
    default void onCodeProven(Hither node, String code, PeerId peer, @Nullable Transfer transfer) {}

    /** A code is good for nothing any more, or came to nothing. */
    default void onCodeEnded(Hither node, String code, CodeEnd why) {}

    /** The records cannot be written any more: nothing that must last can be promised. */
    default void onRecordsUnusable(Hither node, String detail) {}

    /**
     * A method of this listener has thrown, on the node's own thread, where nobody else can catch it. Events go on. Unless
     * you say otherwise it is logged; what this method throws itself is dropped.
     */
    default void onListenerFailure(Hither node, Throwable thrown) {
        Logger.getLogger("dev.hither").log(Level.SEVERE, "a listener has thrown", thrown);
    }
}
