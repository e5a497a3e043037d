package dev.hither;

import java.nio.file.Path;
import java.util.function.UnaryOperator;

/** Two nodes on loopback that have each other in their contacts and know where the other is. */
final class Pair implements AutoCloseable {
    final Hither alice;
    final Hither bob;
    final Recorder toldAlice = new Recorder();
    final Recorder toldBob = new Recorder();

    Pair(Path directory) {
        this(directory, options -> options);
    }

    Pair(Path directory, UnaryOperator<Options> how) {
        alice = Hither.open(how.apply(loopback(directory.resolve("alice"))));
        bob = Hither.open(how.apply(loopback(directory.resolve("bob"))));
        alice.listen(toldAlice);
        bob.listen(toldBob);
        alice.addContact(bob.id(), "bob");
        bob.addContact(alice.id(), "alice");
        alice.addAddress(bob.id(), bob.addresses().get(0));
        bob.addAddress(alice.id(), alice.addresses().get(0));
    }

    /** A node that uses loopback only and is told where others are. */
    static Options loopback(Path directory) {
        return Options.in(directory).networkInterface("lo").discovery(false);
    }

    /** Bob's next offer. */
    Offer offered() {
        return (Offer) toldBob.await("offer").more;
    }

    @Override
    public void close() {
        alice.close();
        bob.close();
    }
}
