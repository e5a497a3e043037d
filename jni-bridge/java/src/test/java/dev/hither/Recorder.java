package dev.hither;

import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;

/** Keeps what a node tells, for a test to wait for. */
class Recorder implements Listener {
    /** How long anything may take. Nothing waits that long unless something is wrong. */
    static final Duration PATIENCE = Duration.ofSeconds(60);

    /** One event: its name, the transfer, message or code, and what else there is. */
    static final class Told {
        final String event;
        final String about;
        final Object more;

        Told(String event, String about, Object more) {
            this.event = event;
            this.about = about;
            this.more = more;
        }

        @Override
        public String toString() {
            return event + " " + about + " " + more;
        }
    }

    private final List<Told> told = new ArrayList<>();

    private synchronized void note(String event, String about, Object more) {
        told.add(new Told(event, about, more));
        notifyAll();
    }

    /** Waits for an event that was not waited for before. */
    Told await(String event, Predicate<Told> which) {
        long end = System.nanoTime() + PATIENCE.toNanos();
        synchronized (this) {
            while (true) {
                for (int i = 0; i < told.size(); i++) {
                    Told it = told.get(i);
                    if (it.event.equals(event) && which.test(it)) {
                        return told.remove(i);
                    }
                }
                long left = (end - System.nanoTime()) / 1_000_000;
                if (left <= 0) {
                    throw new AssertionError("no event " + event + ", but " + told);
                }
                try {
                    wait(left);
                } catch (InterruptedException error) {
                    throw new AssertionError(error);
                }
            }
        }
    }

    /** Forgets what was told until now. */
    synchronized void forget() {
        told.clear();
    }

    Told await(String event) {
        return await(event, it -> true);
    }

    Told await(String event, String about) {
        return await(event, it -> it.about.equals(about));
    }

    @Override
    public void onMessage(Hither node, Message message) {
        note("message", message.id(), message);
    }

    @Override
    public void onMessageState(Hither node, String id, PeerId to, MessageState state) {
        note(state.toString(), id, to);
    }

    @Override
    public void onOffer(Hither node, Offer offer) {
        note("offer", offer.transfer().id(), offer);
    }

    @Override
    public void onOffering(Hither node, Transfer transfer, String name, int entries, long bytes, List<String> leftOut) {
        note("offering", transfer.id(), name);
    }

    @Override
    public void onStarted(Hither node, Transfer transfer, long bytes, long resumed) {
        note("started", transfer.id(), bytes);
    }

    @Override
    public void onPaused(Hither node, Transfer transfer, boolean paused) {
        note("paused", transfer.id(), paused);
    }

    @Override
    public void onFinished(Hither node, Transfer transfer, FinishedTransfer how) {
        note("finished", transfer.id(), how);
    }

    @Override
    public void onFailed(Hither node, Transfer transfer, FailedTransfer how) {
        note("failed", transfer.id(), how);
    }

    @Override
    public void onConnected(Hither node, PeerId peer, InetSocketAddress address, boolean local) {
        note("connected", peer.toString(), address);
    }

    @Override
    public void onDisconnected(Hither node, PeerId peer, LinkLoss why) {
        note("disconnected", peer.toString(), why);
    }

    @Override
    public void onUnreachable(Hither node, PeerId peer, Unreachable why) {
        note("unreachable", peer.toString(), why);
    }

    @Override
    public void onPeersChanged(Hither node) {
        note("peers changed", "", "");
    }

    @Override
    public void onCodeReady(Hither node, String code, java.time.Instant expires, int attemptsLeft) {
        note("code ready", code, attemptsLeft);
    }

    @Override
    public void onCodeProven(Hither node, String code, PeerId peer, Transfer transfer) {
        note("code proven", code, peer);
    }

    @Override
    public void onCodeEnded(Hither node, String code, CodeEnd why) {
        note("code ended", code, why);
    }
}
