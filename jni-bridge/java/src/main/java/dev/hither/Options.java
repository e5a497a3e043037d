package dev.hither;

import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** How a node is run. Not to be changed by several threads at once. */
public final class Options {
    final Path directory;
    @Nullable Path received;
    @Nullable String networkInterface;
    int port;
    boolean discovery = true;
    boolean worldwide = true;
    @Nullable Boolean mainline;
    final List<InetSocketAddress> bootstrap = new ArrayList<>();
    boolean askAboutContacts = true;
    boolean askAboutStrangers = true;
    long sendLimit;
    long receiveLimit;
    Duration grace = Duration.ofSeconds(2);

    private Options(Path directory) {
        this.directory = directory;
    }

    /**
     * The defaults, for a node in this directory, such as {@code context.getFilesDir().toPath().resolve("hither")}. Key, contacts
     * and records are there; it is made if it does not exist. One open node for each; the command line's {@code --home} is
     * laid out the same.
     */
    public static Options in(Path directory) {
        return new Options(Objects.requireNonNull(directory));
    }

    /** The folder that offers go into if nothing else is said; else {@code received} in the directory. */
    public Options received(Path folder) {
        received = Objects.requireNonNull(folder);
        return this;
    }

    /** The only network interface to use, such as {@code wlan0} or {@code lo}; else all of them. */
    public Options networkInterface(String name) {
        networkInterface = Objects.requireNonNull(name);
        return this;
    }

    /** The UDP port, and where it is free the TCP port; 0, as it is unless you say otherwise, for any. */
    public Options port(int number) {
        port = number;
        return this;
    }

    /**
     * Whether the node is announced on the local network and looks for others there, as it is unless you say otherwise. On
     * Android that hears others only while the app holds a {@code WifiManager.MulticastLock}: see {@link
     * Hither#multicastLockHeld}.
     */
    public Options discovery(boolean on) {
        discovery = on;
        return this;
    }

    /**
     * Whether peers beyond the local network are found by their id or a code, and find this node, as it is unless you say
     * otherwise. Nothing about who looks for whom is readable to those in between.
     */
    public Options worldwide(boolean on) {
        worldwide = on;
        return this;
    }

    /**
     * Whether BitTorrent's Mainline is asked where no nearer way leads on. Unless you say otherwise it is, and it is not where
     * the node is {@linkplain #networkInterface kept to one interface}.
     */
    public Options mainline(boolean on) {
        mainline = on;
        return this;
    }

    /** A node of the network to begin with, besides those that are remembered or near. To be called for each. */
    public Options bootstrap(InetSocketAddress node) {
        bootstrap.add(Objects.requireNonNull(node));
        return this;
    }

    boolean asksMainline() {
        return worldwide && (mainline == null ? networkInterface == null : mainline);
    }

    /** Whether you are asked about contacts' offers, as you are unless you say otherwise; else they are accepted. */
    public Options askAboutContacts(boolean ask) {
        askAboutContacts = ask;
        return this;
    }

    /** Whether you are asked about strangers' offers, as you are unless you say otherwise; else they are refused. */
    public Options askAboutStrangers(boolean ask) {
        askAboutStrangers = ask;
        return this;
    }

    /** How fast transfers may be, all together, in bytes a second each way; 0 is as fast as they can. */
    public Options limits(long send, long receive) {
        sendLimit = send;
        receiveLimit = receive;
        return this;
    }

    /** How long {@link Hither#close()} may take to tell peers; two seconds unless you say otherwise. */
    public Options grace(Duration most) {
        grace = Objects.requireNonNull(most);
        return this;
    }
}
