package dev.hither;

import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A running node: one identity, its contacts, its messages and transfers.
 *
 * <p>Every method may be called from any thread, and by several at once. Most ask the node's own thread and return within
 * microseconds to milliseconds; those that may take longer say so: do not call them on Android's main thread. After {@link
 * #close()} every method but that one and {@link #isClosed()} throws {@link HitherException} with {@link
 * HitherException.Reason#CLOSED}, also where it was called before and still waits.
 *
 * <p>What happens is told to a {@link Listener}: by {@link #listen} on a thread of the node's own, or by {@link #poll} on yours.
 * Use one of them. If nobody fetches events, the node stops reading from its peers after a thousand or so.
 */
public final class Hither implements AutoCloseable {
    /** How long closing waits for a listener's method to return, in milliseconds. */
    private static final long LISTENER_GRACE = 5000;

    private final long node;
    private final PeerId id;
    private final long grace;
    private volatile boolean closed;
    /** Guarded by this. */
    private @Nullable Thread listening;

    private Hither(long node, long grace) {
        this.node = node;
        this.grace = grace;
        this.id = PeerId.known(Native.id(node));
    }

    /**
     * Starts the node of a directory, which is made if it does not exist, with the {@linkplain Options#in defaults}. It takes as
     * long as the disk does.
     *
     * @throws HitherException {@link HitherException.Reason#IN_USE}, {@link HitherException.Reason#NOT_WRITABLE}, {@link
     *     HitherException.Reason#KEY_UNUSABLE}, {@link HitherException.Reason#RECORDS_UNUSABLE}, {@link
     *     HitherException.Reason#NETWORK}, {@link HitherException.Reason#NO_LIBRARY}
     */
    public static Hither open(Path directory) {
        return open(Options.in(directory));
    }

    /**
     * The same with options.
     *
     * @throws HitherException as {@link #open(Path)}, and {@link HitherException.Reason#INVALID_ARGUMENT}
     */
    public static Hither open(Options options) {
        Native.load();
        long node = Native.open(
                options.directory.toString(),
                options.received == null ? null : options.received.toString(),
                options.networkInterface,
                options.port,
                options.discovery,
                options.worldwide,
                options.asksMainline(),
                options.bootstrap.stream().map(Hither::text).toArray(String[]::new),
                options.askAboutContacts,
                options.askAboutStrangers,
                options.sendLimit,
                options.receiveLimit);
        return new Hither(node, options.grace.toMillis());
    }

    /** Who this node is. It can be asked when it is closed too. */
    public PeerId id() {
        return id;
    }

    /** The addresses at which it can be reached now. */
    public List<InetSocketAddress> addresses() {
        return socketAddresses(Native.addresses(node));
    }

    /** Remembers an address at which a peer is said to be. Only the peer can prove it. */
    public void addAddress(PeerId peer, InetSocketAddress address) {
        Native.addAddress(node, peer.toString(), text(address));
    }

    /** Reaches a peer, without anything to send yet. {@link Listener#onConnected} or {@link Listener#onUnreachable} follows. */
    public void connect(PeerId peer) {
        Native.connect(node, peer.toString());
    }

    /** Who is near or known: contacts by name, then others. */
    public List<Peer> peers() {
        return list(Native.peers(node));
    }

    /** The contacts, by name. */
    public List<Contact> contacts() {
        return list(Native.contacts(node));
    }

    /**
     * Adds a contact, or gives a known one another name.
     *
     * @throws HitherException {@link HitherException.Reason#NAME_TAKEN}, {@link HitherException.Reason#INVALID_NAME}, {@link
     *     HitherException.Reason#ONESELF}, {@link HitherException.Reason#TOO_MANY}
     */
    public void addContact(PeerId peer, String name) {
        Native.addContact(node, peer.toString(), Objects.requireNonNull(name));
    }

    /**
     * Gives a contact another name.
     *
     * @throws HitherException as {@link #addContact}, and {@link HitherException.Reason#UNKNOWN_CONTACT}
     */
    public void renameContact(PeerId peer, String name) {
        Native.renameContact(node, peer.toString(), Objects.requireNonNull(name));
    }

    /** Forgets a contact. */
    public void removeContact(PeerId peer) {
        Native.removeContact(node, peer.toString());
    }

    /** Takes nothing from a contact any more, or does again. What is under way to them is cancelled. */
    public void blockContact(PeerId peer, boolean blocked) {
        Native.blockContact(node, peer.toString(), blocked);
    }

    /** Notes that the {@linkplain #safetyWords safety words} were compared with a contact and are the same, or are not. */
    public void verifyContact(PeerId peer, boolean verified) {
        Native.verifyContact(node, peer.toString(), verified);
    }

    /** Words that are the same on both sides if, and only if, each has the other's id. */
    public String safetyWords(PeerId peer) {
        return Native.safetyWords(node, peer.toString());
    }

    /**
     * Sends a message. It is kept on disk until the recipient has it: {@link Listener#onMessageState} tells.
     *
     * @return its name
     * @throws HitherException {@link HitherException.Reason#TOO_LONG}: over 32 KiB as UTF-8; {@link
     *     HitherException.Reason#INVALID_ARGUMENT}: empty; {@link HitherException.Reason#TOO_MANY}, {@link
     *     HitherException.Reason#ONESELF}, {@link HitherException.Reason#BLOCKED}
     */
    public String sendMessage(PeerId to, String text) {
        return Native.sendMessage(node, to.toString(), Objects.requireNonNull(text));
    }

    /** Offers files and directories, by path. Symbolic links in them are left out. */
    public Transfer offer(PeerId to, Path... paths) {
        return offer(to, Arrays.asList(paths));
    }

    /**
     * The same. They are looked through, then offered as soon as the peer is reached. The same again goes on where it was
     * interrupted.
     *
     * @throws HitherException {@link HitherException.Reason#INVALID_ARGUMENT}: nothing is named; {@link
     *     HitherException.Reason#ONESELF}, {@link HitherException.Reason#BLOCKED}, {@link HitherException.Reason#TOO_MANY}
     */
    public Transfer offer(PeerId to, List<Path> paths) {
        return new Transfer(this, Native.offer(node, to.toString(), texts(paths)));
    }

    /**
     * Offers a file by its descriptor, under a name: such as a document which the user chose. Where the descriptor has a path
     * that this process can open, the file is read there; else (a pipe, another app's document) all of it is copied into the
     * node's directory first, by this call, which takes as long as that does. The copy goes with the transfer.
     *
     * <p>The descriptor is duplicated: close yours when you like. A file's position is left where it is.
     *
     * @param descriptor such as {@code ParcelFileDescriptor.getFd()} of one that was opened for reading
     * @throws HitherException as {@link #offer(PeerId, List)}, and {@link HitherException.Reason#INVALID_DESCRIPTOR}, {@link
     *     HitherException.Reason#INVALID_NAME}, {@link HitherException.Reason#NOT_WRITABLE}: it cannot be copied
     */
    public Transfer offer(PeerId to, int descriptor, String name) {
        return new Transfer(this, Native.offerDescriptor(node, to.toString(), descriptor, Objects.requireNonNull(name)));
    }

    /** Transfers that are under way or can be gone on with, the oldest first. */
    public List<TransferStatus> transfers() {
        return list(Native.transfers(node));
    }

    /** The transfer of an {@linkplain Transfer#id() id}, to act on. Whether there is one shows when it is acted on. */
    public Transfer transfer(String transferId) {
        return new Transfer(this, Objects.requireNonNull(transferId));
    }

    /**
     * Makes a code of a few words for others to enter. For the same purpose it gives the same code again while that is good.
     * {@link Listener#onCodeReady} says when it is, and {@link #codeWords} has its words.
     *
     * @param paths what is offered to whoever enters it, where the purpose is {@link CodePurpose#SEND}
     * @param words 3 to 8; 3 are enough on a local network
     * @param lasts how long it is good
     * @param receivers how many may use it, one after the other
     * @return the code's name, which says nothing of its words
     * @throws HitherException {@link HitherException.Reason#INVALID_ARGUMENT}, {@link HitherException.Reason#TOO_MANY}
     */
    public String makeCode(CodePurpose purpose, List<Path> paths, int words, Duration lasts, int receivers) {
        return Native.makeCode(node, purpose.name(), texts(paths), words, lasts.getSeconds(), receivers);
    }

    /** The words of a code that was made here, for the screen and nowhere else; null when it is not good. */
    public @Nullable String codeWords(String code) {
        return Native.codeWords(node, Objects.requireNonNull(code));
    }

    /**
     * Enters a code that someone else has made. {@link Listener#onCodeProven} or {@link Listener#onCodeEnded} follows.
     *
     * @param words as they were typed or scanned
     * @param paths what is offered to whoever made it, where the purpose is {@link CodePurpose#SEND}
     * @return the code's name
     * @throws HitherException {@link HitherException.Reason#INVALID_ARGUMENT}: the message says which word is mistyped
     */
    public String enterCode(String words, CodePurpose purpose, List<Path> paths) {
        return Native.enterCode(node, Objects.requireNonNull(words), purpose.name(), texts(paths));
    }

    /** Lets a code be good no more, or one that was entered be looked for no more. */
    public void withdrawCode(String code) {
        Native.withdrawCode(node, Objects.requireNonNull(code));
    }

    /**
     * Shows this name and the id to everyone on the local network for so long, a day at most.
     *
     * @throws HitherException {@link HitherException.Reason#INVALID_NAME}: not 1 to 64 bytes, or with control characters
     */
    public void showNearby(String name, Duration lasts) {
        Native.showNearby(node, Objects.requireNonNull(name), lasts.getSeconds());
    }

    /** Shows it no more: only contacts recognise this node. */
    public void hide() {
        Native.hide(node);
    }

    /**
     * Says that the network has changed, as a {@code ConnectivityManager.NetworkCallback} learns before anyone else: these are
     * the device's addresses now, such as those of {@code LinkProperties.getLinkAddresses()}; none while it is offline. The node
     * announces itself anew, and transfers that wait for a peer try again at once. Without a call the node looks at the
     * interfaces itself, every three seconds, and what it sees change there counts from then on.
     */
    public void networkChanged(Collection<InetAddress> addresses) {
        List<String> texts = new ArrayList<>(addresses.size());
        for (InetAddress address : addresses) {
            // They mean nothing without an interface's number.
            if (!(address instanceof Inet6Address && address.isLinkLocalAddress())) {
                texts.add(text(address));
            }
        }
        Native.addressesChanged(node, texts.toArray(new String[0]));
    }

    /**
     * Says whether the app holds a {@code WifiManager.MulticastLock}. Without one Android keeps from it what others announce on
     * the local network. Once it is held they are asked for anew, at once; while it is not, nothing more is heard, and who was
     * seen before counts as near until their announcement runs out.
     */
    public void multicastLockHeld(boolean held) {
        if (held) {
            Native.lookAround(node);
        } else if (closed) {
            throw new HitherException(HitherException.Reason.CLOSED, "this node is closed");
        }
    }

    /**
     * Has a thread of the node's own, a daemon named {@code hither-listener}, tell everything that happens to a listener from
     * now on until the node is closed.
     *
     * @throws IllegalStateException there is a listener already
     */
    public synchronized void listen(Listener listener) {
        Objects.requireNonNull(listener);
        if (closed) {
            throw new HitherException(HitherException.Reason.CLOSED, "this node is closed");
        }
        if (listening != null) {
            throw new IllegalStateException("there is a listener already");
        }
        Thread thread = new Thread(() -> tell(listener), "hither-listener");
        thread.setDaemon(true);
        thread.start();
        listening = thread;
    }

    private void tell(Listener listener) {
        while (!closed) {
            Event event;
            try {
                event = Native.next(node, -1);
            } catch (HitherException over) {
                if (over.reason() != HitherException.Reason.CLOSED) {
                    failed(listener, over);
                }
                return;
            }
            if (event == null) {
                continue;
            }
            try {
                event.deliver(this, listener);
            } catch (Throwable thrown) {
                failed(listener, thrown);
            }
        }
    }

    private void failed(Listener listener, Throwable thrown) {
        try {
            listener.onListenerFailure(this, thrown);
        } catch (Throwable dropped) {
            // Nobody is left to tell.
        }
    }

    /**
     * Waits for the next event and tells it to a listener, on this thread. What the listener throws is thrown here.
     *
     * @param timeout how long to wait at most; zero does not wait
     * @return whether there was one
     */
    public boolean poll(Duration timeout, Listener listener) {
        Objects.requireNonNull(listener);
        long millis = timeout.isNegative() ? 0 : timeout.toMillis();
        Event event = Native.next(node, millis);
        if (event == null) {
            return false;
        }
        event.deliver(this, listener);
        return true;
    }

    /** Whether it was closed. */
    public boolean isClosed() {
        return closed;
    }

    /**
     * Closes the node: tells its peers, stores what is to be stored, ends its threads. It takes as long as {@link Options#grace}
     * at most, and as long as a method of the listener that is running, but no longer than five seconds for that. Transfers that
     * have begun can be gone on with. Closing again does nothing, and does not wait.
     */
    @Override
    public void close() {
        Thread thread;
        synchronized (this) {
            closed = true;
            thread = listening;
            listening = null;
        }
        Native.close(node, grace);
        if (thread == null || thread == Thread.currentThread()) {
            return;
        }
        try {
            thread.join(LISTENER_GRACE);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    long handle() {
        return node;
    }

    @Override
    public String toString() {
        return "node " + id + (closed ? ", closed" : "");
    }

    private static <T> List<T> list(T[] values) {
        return Collections.unmodifiableList(Arrays.asList(values));
    }

    private static String[] texts(List<Path> paths) {
        String[] texts = new String[paths.size()];
        for (int i = 0; i < texts.length; i++) {
            texts[i] = paths.get(i).toString();
        }
        return texts;
    }

    private static List<InetSocketAddress> socketAddresses(String[] texts) {
        List<InetSocketAddress> addresses = new ArrayList<>(texts.length);
        for (String text : texts) {
            addresses.add(FromNative.socketAddress(text));
        }
        return Collections.unmodifiableList(addresses);
    }

    /** The address without a scope. */
    private static String text(InetSocketAddress address) {
        InetAddress ip = Objects.requireNonNull(address.getAddress(), "an address that is not resolved");
        String host = ip instanceof Inet6Address ? "[" + text(ip) + "]" : text(ip);
        return host + ":" + address.getPort();
    }

    private static String text(InetAddress address) {
        String text = address.getHostAddress();
        int scope = text.indexOf('%');
        return scope < 0 ? text : text.substring(0, scope);
    }
}
