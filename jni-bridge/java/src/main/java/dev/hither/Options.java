package dev.hither;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** How a node is run. Not to be changed by several threads at once. */
public final class Options {
    final Path directory;
    @Nullable Path received;
    @Nullable String networkInterface;
    int port;
    boolean discovery = true;
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
