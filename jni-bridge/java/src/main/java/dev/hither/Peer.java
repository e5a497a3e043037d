package dev.hither;

import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Someone near or known, as they were when you asked. */
public final class Peer {
    private final @Nullable PeerId id;
    private final @Nullable String name;
    private final @Nullable String callsItself;
    private final boolean connected;
    private final boolean near;
    private final List<InetSocketAddress> addresses;
    private final @Nullable Duration roundTrip;

    Peer(
            @Nullable PeerId id,
            @Nullable String name,
            @Nullable String callsItself,
            boolean connected,
            boolean near,
            List<InetSocketAddress> addresses,
            @Nullable Duration roundTrip) {
        this.id = id;
        this.name = name;
        this.callsItself = callsItself;
        this.connected = connected;
        this.near = near;
        this.addresses = addresses;
        this.roundTrip = roundTrip;
    }

    /** Who; null for someone near who is no contact and does not show themselves. */
    public @Nullable PeerId id() {
        return id;
    }

    /** What you call them; null if they are no contact. */
    public @Nullable String name() {
        return name;
    }

    /** What they call themselves while they show themselves. Anyone can take any name: never show it as a contact's. */
    public @Nullable String callsItself() {
        return callsItself;
    }

    /** Whether there is a link to them. */
    public boolean isConnected() {
        return connected;
    }

    /** Whether they are seen on the local network. */
    public boolean isNear() {
        return near;
    }

    /** Where they would be dialled, best first. */
    public List<InetSocketAddress> addresses() {
        return addresses;
    }

    /** How long it takes to them and back; null without a link. */
    public @Nullable Duration roundTrip() {
        return roundTrip;
    }

    @Override
    public String toString() {
        return (name != null ? name : id != null ? id : "someone") + (connected ? ", connected" : near ? ", near" : "");
    }
}
