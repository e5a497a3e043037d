package dev.hither;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Makes values and events of what the native library hands over. It is called from there only. */
final class FromNative {
    private FromNative() {}

    static HitherException failure(String reason, String text) {
        return new HitherException(HitherException.Reason.valueOf(reason), text);
    }

    static Contact contact(String peer, String name, boolean blocked, boolean verified) {
        return new Contact(PeerId.known(peer), name, blocked, verified);
    }

    static Peer peer(
            @Nullable String peer,
            @Nullable String name,
            @Nullable String callsItself,
            boolean connected,
            boolean near,
            String[] addresses,
            long roundTripMicros) {
        List<InetSocketAddress> at = new ArrayList<>(addresses.length);
        for (String address : addresses) {
            at.add(socketAddress(address));
        }
        Duration roundTrip = roundTripMicros < 0 ? null : micros(roundTripMicros);
        PeerId id = peer == null ? null : PeerId.known(peer);
        return new Peer(id, name, callsItself, connected, near, Collections.unmodifiableList(at), roundTrip);
    }

    static TransferStatus status(
            String transfer,
            String peer,
            boolean sending,
            String name,
            int files,
            long bytes,
            long done,
            long begun,
            String state,
            String[] paths) {
        Instant since = begun == Long.MAX_VALUE ? null : Instant.ofEpochMilli(begun);
        PeerId other = PeerId.known(peer);
        TransferState stands = TransferState.valueOf(state);
        return new TransferStatus(transfer, other, sending, name, files, bytes, done, since, stands, list(paths));
    }

    static Event connected(String peer, String address, boolean local) {
        InetSocketAddress at = socketAddress(address);
        return (node, to) -> to.onConnected(node, PeerId.known(peer), at, local);
    }

    static Event disconnected(String peer, String why) {
        LinkLoss loss = LinkLoss.valueOf(why);
        return (node, to) -> to.onDisconnected(node, PeerId.known(peer), loss);
    }

    static Event unreachable(String peer, String why) {
        Unreachable reason = Unreachable.valueOf(why);
        return (node, to) -> to.onUnreachable(node, PeerId.known(peer), reason);
    }

    static Event message(String id, String from, String standing, String text, long time) {
        Instant at = Instant.ofEpochMilli(time);
        Message message = new Message(id, PeerId.known(from), Standing.valueOf(standing), text, at);
        return (node, to) -> to.onMessage(node, message);
    }

    static Event messageSent(String id, String to, String state) {
        MessageState became = MessageState.valueOf(state);
        return (node, listener) -> listener.onMessageState(node, id, PeerId.known(to), became);
    }

    static Event offering(String transfer, String name, int files, long bytes, String[] leftOut) {
        List<String> not = list(leftOut);
        return (node, to) -> to.onOffering(node, new Transfer(node, transfer), name, files, bytes, not);
    }

    static Event offered(
            String transfer,
            String from,
            String standing,
            String name,
            String[] paths,
            long[] sizes,
            String into,
            long free,
            String[] taken,
            String decision,
            @Nullable String refusal,
            @Nullable String code) {
        List<Offer.Entry> entries = new ArrayList<>(paths.length);
        for (int i = 0; i < paths.length; i++) {
            entries.add(entry(paths[i], sizes[i]));
        }
        List<Offer.Entry> all = Collections.unmodifiableList(entries);
        Standing is = Standing.valueOf(standing);
        Decision says = Decision.valueOf(decision);
        Refusal why = refusal == null ? null : Refusal.valueOf(refusal);
        return (node, to) -> to.onOffer(
                node,
                new Offer(
                        new Transfer(node, transfer), PeerId.known(from), is, name, all, into, free, list(taken), says, why,
                        code));
    }

    private static Offer.Entry entry(String path, long size) {
        if (size >= 0) {
            return new Offer.Entry(path, Offer.Entry.Kind.FILE, size);
        }
        Offer.Entry.Kind kind = size == -1
                ? Offer.Entry.Kind.DIRECTORY
                : size == -2 ? Offer.Entry.Kind.LINK : Offer.Entry.Kind.STREAM;
        return new Offer.Entry(path, kind, 0);
    }

    static Event turnedAway(String transfer, String from, String name, int files, long bytes) {
        return (node, to) -> to.onTurnedAway(node, PeerId.known(from), name, files, bytes);
    }

    static Event started(String transfer, long bytes, long resumed) {
        return (node, to) -> to.onStarted(node, new Transfer(node, transfer), bytes, resumed);
    }

    static Event resuming(String transfer, String from, long held, long bytes, long lost, int changed) {
        return (node, to) ->
                to.onResuming(node, new Transfer(node, transfer), PeerId.known(from), held, bytes, lost, changed);
    }

    static Event startsOver(String transfer, String from) {
        return (node, to) -> to.onStartsOver(node, new Transfer(node, transfer), PeerId.known(from));
    }

    static Event suspended(String transfer, long done, long total) {
        return (node, to) -> to.onSuspended(node, new Transfer(node, transfer), done, total);
    }

    static Event paused(String transfer, boolean paused) {
        return (node, to) -> to.onPaused(node, new Transfer(node, transfer), paused);
    }

    static Event linksLeftOut(String transfer, String[] links) {
        return (node, to) -> to.onLinksLeftOut(node, new Transfer(node, transfer), list(links));
    }

    static Event finished(
            String transfer, long bytes, long resumed, long micros, boolean local, String root, String[] paths) {
        FinishedTransfer how = new FinishedTransfer(bytes, resumed, micros(micros), local, root, list(paths));
        return (node, to) -> to.onFinished(node, new Transfer(node, transfer), how);
    }

    static Event failed(String transfer, String why, String detail, int kept, boolean resumable) {
        FailedTransfer how = new FailedTransfer(TransferFailure.valueOf(why), detail, kept, resumable);
        return (node, to) -> to.onFailed(node, new Transfer(node, transfer), how);
    }

    static Event codeReady(String code, long expires, int left) {
        Instant until = Instant.ofEpochMilli(expires);
        return (node, to) -> to.onCodeReady(node, code, until, left);
    }

    static Event codeAttempt(String code, int left) {
        return (node, to) -> to.onCodeAttempt(node, code, left);
    }

    static Event codeEnded(String code, String why) {
        CodeEnd end = CodeEnd.valueOf(why);
        return (node, to) -> to.onCodeEnded(node, code, end);
    }

    static Event codeFound(String code) {
        return (node, to) -> to.onCodeFound(node, code);
    }

    static Event codeProven(String code, String peer, @Nullable String transfer) {
        return (node, to) -> to.onCodeProven(
                node, code, PeerId.known(peer), transfer == null ? null : new Transfer(node, transfer));
    }

    static Event peersChanged() {
        return (node, to) -> to.onPeersChanged(node);
    }

    static Event hidden() {
        return (node, to) -> to.onHidden(node);
    }

    static Event recordsUnusable(String detail) {
        return (node, to) -> to.onRecordsUnusable(node, detail);
    }

    private static List<String> list(String[] texts) {
        return Collections.unmodifiableList(Arrays.asList(texts));
    }

    private static Duration micros(long micros) {
        return Duration.ofNanos(Math.multiplyExact(Math.min(micros, Long.MAX_VALUE / 1000), 1000L));
    }

    /** The address of {@code 192.0.2.1:4242} or {@code [2001:db8::1]:4242}. Nothing is looked up: it is no name. */
    static InetSocketAddress socketAddress(String text) {
        int colon = text.lastIndexOf(':');
        String host = text.substring(0, colon);
        if (host.startsWith("[")) {
            host = host.substring(1, host.length() - 1);
        }
        try {
            return new InetSocketAddress(InetAddress.getByName(host), Integer.parseInt(text.substring(colon + 1)));
        } catch (UnknownHostException error) {
            throw new IllegalArgumentException(text, error);
        }
    }
}
