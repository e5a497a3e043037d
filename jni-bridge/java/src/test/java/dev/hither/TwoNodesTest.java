package dev.hither;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Two nodes in this JVM, with real sockets on loopback. */
class TwoNodesTest {
    @TempDir
    Path directory;

    @Test
    void aMessageGoesEachWayAndItsReceiptComesBack() {
        try (Pair pair = new Pair(directory)) {
            // What does not fit into one UTF-16 unit, and what C would take for the end.
            String text = "Hello Bob, 😀 \u0000 öß \u202e";
            String sent = pair.alice.sendMessage(pair.bob.id(), text);
            Message arrived = (Message) pair.toldBob.await("message", sent).more;
            assertEquals(text, arrived.text());
            assertEquals(pair.alice.id(), arrived.from());
            assertEquals(Standing.CONTACT, arrived.standing());
            assertEquals(pair.bob.id(), pair.toldAlice.await("DELIVERED", sent).more);

            String answer = pair.bob.sendMessage(pair.alice.id(), "Hello Alice");
            assertEquals("Hello Alice", ((Message) pair.toldAlice.await("message", answer).more).text());
            pair.toldBob.await("DELIVERED", answer);
        }
    }

    @Test
    void aMessageWaitsForWhoIsNotThere() {
        try (Hither alice = Hither.open(Pair.loopback(directory.resolve("alice")))) {
            PeerId bob;
            try (Hither there = Hither.open(Pair.loopback(directory.resolve("bob")))) {
                bob = there.id();
            }
            Recorder told = new Recorder();
            alice.listen(told);
            String sent = alice.sendMessage(bob, "are you there?");
            told.await("WAITING", sent);
            assertEquals(Unreachable.NOT_FOUND, told.await("unreachable", bob.toString()).more);
            try (Hither there = Hither.open(Pair.loopback(directory.resolve("bob")))) {
                Recorder toldBob = new Recorder();
                there.listen(toldBob);
                assertEquals(bob, there.id());
                there.addContact(alice.id(), "alice");
                alice.addAddress(bob, there.addresses().get(0));
                alice.connect(bob);
                toldBob.await("message", sent);
                told.await("DELIVERED", sent);
            }
        }
    }

    /** No discovery and no known address: the id alone, by way of a node that both know. */
    @Test
    void whoIsKnownByIdAloneIsFoundThroughANode() {
        try (Hither node = Hither.open(Pair.loopback(directory.resolve("node")))) {
            InetSocketAddress begin = node.addresses().get(0);
            Options here = Pair.loopback(directory.resolve("alice")).bootstrap(begin);
            Options there = Pair.loopback(directory.resolve("bob")).bootstrap(begin);
            try (Hither alice = Hither.open(here); Hither bob = Hither.open(there)) {
                Recorder told = new Recorder();
                Recorder toldBob = new Recorder();
                alice.listen(told);
                bob.listen(toldBob);
                String sent = alice.sendMessage(bob.id(), "found you");
                toldBob.await("message", sent);
                told.await("DELIVERED", sent);
            }
        }
    }

    @Test
    void aFileIsOfferedAcceptedAndTheSame() throws Exception {
        Path source = Content.random(directory.resolve("holiday.mov"), 40 << 20, 1);
        try (Pair pair = new Pair(directory)) {
            Transfer sending = pair.alice.offer(pair.bob.id(), source);
            Offer offer = pair.offered();
            assertEquals(sending.id(), offer.transfer().id());
            assertEquals(pair.alice.id(), offer.from());
            assertEquals(Decision.ASK, offer.decision());
            assertEquals("holiday.mov", offer.name());
            assertEquals(40 << 20, offer.bytes());
            assertTrue(offer.isSingleFile());
            assertTrue(offer.free() > 0);
            assertNull(offer.refusal());
            assertNull(offer.code());
            Path into = directory.resolve("here");
            offer.transfer().accept(into);
            FinishedTransfer received = (FinishedTransfer) pair.toldBob.await("finished", sending.id()).more;
            FinishedTransfer sent = (FinishedTransfer) pair.toldAlice.await("finished", sending.id()).more;
            assertEquals(into.resolve("holiday.mov").toString(), received.paths().get(0));
            assertEquals(Content.sha256(source), Content.sha256(into.resolve("holiday.mov")));
            assertEquals(sent.root(), received.root());
            assertEquals(40 << 20, received.bytes());
            assertNull(offer.transfer().progress());
        }
    }

    @Test
    void aDirectoryOfManyFilesArrivesWhole() throws Exception {
        Path source = directory.resolve("photos");
        for (int i = 0; i < 3000; i++) {
            Path folder = Files.createDirectories(source.resolve("day " + i % 10));
            Files.write(folder.resolve(i + ".txt"), ("photo " + i).getBytes(StandardCharsets.UTF_8));
        }
        try (Pair pair = new Pair(directory)) {
            Transfer sending = pair.alice.offer(pair.bob.id(), source);
            Offer offer = pair.offered();
            assertEquals(3011, offer.entries().size());
            assertFalse(offer.isSingleFile());
            assertEquals(Offer.Entry.Kind.DIRECTORY, offer.entries().get(0).kind());
            offer.transfer().accept();
            FinishedTransfer received = (FinishedTransfer) pair.toldBob.await("finished", sending.id()).more;
            Path there = Paths.get(received.paths().get(0));
            assertEquals(directory.resolve("bob").resolve("received").resolve("photos"), there);
            for (int i = 0; i < 3000; i++) {
                Path file = there.resolve("day " + i % 10).resolve(i + ".txt");
                assertEquals("photo " + i, new String(Files.readAllBytes(file), StandardCharsets.UTF_8));
            }
        }
    }

    @Test
    void anOfferIsRefused() throws Exception {
        Path source = Content.random(directory.resolve("unwanted"), 1000, 2);
        try (Pair pair = new Pair(directory)) {
            Transfer sending = pair.alice.offer(pair.bob.id(), source);
            pair.offered().transfer().refuse();
            FailedTransfer failed = (FailedTransfer) pair.toldAlice.await("failed", sending.id()).more;
            assertEquals(TransferFailure.REFUSED, failed.why());
            assertEquals(Refusal.DECLINED, Refusal.valueOf(failed.detail()));
        }
    }

    @Test
    void aTransferStandsStillGoesOnAndIsGivenUp() throws Exception {
        Path source = Content.random(directory.resolve("slow"), 24 << 20, 3);
        // So slow that it cannot end by itself meanwhile.
        try (Pair pair = new Pair(directory, options -> options.limits(2 << 20, 0))) {
            Transfer sending = pair.alice.offer(pair.bob.id(), source);
            Offer offer = pair.offered();
            offer.transfer().accept();
            pair.toldAlice.await("started", sending.id());
            sending.pause();
            assertEquals(true, pair.toldBob.await("paused", sending.id()).more);
            assertEquals(TransferState.PAUSED, status(pair.alice, sending).state());
            sending.resume();
            assertEquals(false, pair.toldBob.await("paused", sending.id()).more);
            assertEquals(TransferState.ACTIVE, status(pair.alice, sending).state());
            offer.transfer().pause();
            assertEquals(true, pair.toldAlice.await("paused", sending.id()).more);
            offer.transfer().resume();
            assertEquals(false, pair.toldAlice.await("paused", sending.id()).more);
            assertNotNull(sending.progress());
            assertEquals(24 << 20, sending.progress().total());
            offer.transfer().cancel();
            FailedTransfer failed = (FailedTransfer) pair.toldAlice.await("failed", sending.id()).more;
            assertEquals(TransferFailure.CANCELLED_BY_PEER, failed.why());
            FailedTransfer here = (FailedTransfer) pair.toldBob.await("failed", sending.id()).more;
            assertEquals(TransferFailure.CANCELLED, here.why());
            assertEquals(Collections.emptyList(), pair.bob.transfers());
        }
        try (java.util.stream.Stream<Path> left = Files.list(directory.resolve("bob").resolve("received"))) {
            assertEquals(Collections.emptyList(), left.collect(Collectors.toList()));
        }
    }

    @Test
    void whatWasInterruptedGoesOnAfterARestart() throws Exception {
        Path source = Content.random(directory.resolve("long"), 24 << 20, 4);
        String id;
        try (Pair pair = new Pair(directory, options -> options.limits(8 << 20, 0))) {
            Transfer sending = pair.alice.offer(pair.bob.id(), source);
            id = sending.id();
            pair.offered().transfer().accept();
            pair.toldBob.await("started", id);
            while (status(pair.bob, pair.bob.transfer(id)).done() == 0) {
                Thread.sleep(10);
            }
        }
        try (Pair pair = new Pair(directory)) {
            assertEquals(TransferState.INTERRUPTED, status(pair.alice, pair.alice.transfer(id)).state());
            pair.alice.transfer(id).resume();
            FinishedTransfer received = (FinishedTransfer) pair.toldBob.await("finished", id).more;
            assertTrue(received.resumed() > 0, received::toString);
            assertEquals(Content.sha256(source), Content.sha256(Paths.get(received.paths().get(0))));
        }
    }

    private static TransferStatus status(Hither node, Transfer transfer) {
        return node.transfers().stream().filter(it -> it.id().equals(transfer.id())).findFirst().orElseThrow();
    }

    @Test
    void aDescriptorIsSentAndOneIsFilled() throws Exception {
        Path source = Content.random(directory.resolve("1000021"), 9 << 20, 5);
        Path document = directory.resolve("document");
        Files.write(document, new byte[20 << 20]);
        try (Pair pair = new Pair(directory)) {
            Transfer sending;
            try (InputStream in = new FileInputStream(source.toFile())) {
                in.skip(1000);
                sending = pair.alice.offer(pair.bob.id(), Content.descriptor(source), "holiday.jpg");
                assertEquals((9 << 20) - 1000, in.available());
            }
            Offer offer = pair.offered();
            assertEquals("holiday.jpg", offer.name());
            try (OutputStream out = new FileOutputStream(document.toFile(), true)) {
                offer.transfer().acceptInto(Content.descriptor(document));
            }
            FinishedTransfer received = (FinishedTransfer) pair.toldBob.await("finished", sending.id()).more;
            assertEquals(Collections.emptyList(), received.paths());
            pair.toldAlice.await("finished", sending.id());
            assertEquals(Content.sha256(source), Content.sha256(document));
        }
        assertEquals(0, Content.count(directory.resolve("alice/state/lent").toString()));
        assertEquals(0, Content.count(directory.resolve("bob/state/arriving").toString()));
    }

    @Test
    void aPipeIsSentAndOneIsFilled() throws Exception {
        Path fifo = fifo("in");
        Path output = fifo("out");
        byte[] content = new byte[3_000_000];
        new java.util.Random(6).nextBytes(content);
        try (Pair pair = new Pair(directory)) {
            Thread writer = new Thread(() -> {
                try (OutputStream out = new FileOutputStream(fifo.toFile())) {
                    out.write(content);
                } catch (java.io.IOException error) {
                    throw new AssertionError(error);
                }
            });
            writer.start();
            Transfer sending;
            try (InputStream in = new FileInputStream(fifo.toFile())) {
                sending = pair.alice.offer(pair.bob.id(), Content.descriptor(fifo), "backup.tar");
            }
            writer.join();
            Offer offer = pair.offered();
            assertEquals(content.length, offer.bytes());
            byte[][] arrived = new byte[1][];
            Thread reader = new Thread(() -> {
                try (InputStream in = new FileInputStream(output.toFile())) {
                    // The JDK's readAllBytes() asks for a position, which a pipe has not.
                    java.io.ByteArrayOutputStream all = new java.io.ByteArrayOutputStream();
                    byte[] block = new byte[10_000];
                    for (int read = in.read(block); read >= 0; read = in.read(block)) {
                        all.write(block, 0, read);
                    }
                    arrived[0] = all.toByteArray();
                } catch (java.io.IOException error) {
                    throw new AssertionError(error);
                }
            });
            reader.start();
            try (OutputStream out = new FileOutputStream(output.toFile())) {
                // Both ends are this process's and have one name: the reader's was opened before, or at once.
                offer.transfer().acceptInto(writingEnd(output));
            }
            pair.toldBob.await("finished", sending.id());
            reader.join(Recorder.PATIENCE.toMillis());
            assertEquals(content.length, arrived[0].length);
            assertTrue(java.util.Arrays.equals(content, arrived[0]));
        }
    }

    private Path fifo(String name) throws Exception {
        Path path = directory.resolve(name);
        assertEquals(0, new ProcessBuilder("mkfifo", path.toString()).inheritIO().start().waitFor());
        return path;
    }

    /** The descriptor of a fifo that was opened for writing. */
    private static int writingEnd(Path path) throws Exception {
        Path real = path.toRealPath();
        try (java.nio.file.DirectoryStream<Path> open = Files.newDirectoryStream(Paths.get("/proc/self/fdinfo"))) {
            for (Path number : open) {
                Path link = Paths.get("/proc/self/fd").resolve(number.getFileName());
                List<String> info;
                try {
                    if (!Files.readSymbolicLink(link).equals(real)) {
                        continue;
                    }
                    info = Files.readAllLines(number);
                } catch (java.io.IOException gone) {
                    continue;
                }
                // O_WRONLY, octal.
                if (info.stream().anyMatch(line -> line.startsWith("flags:") && line.endsWith("1"))) {
                    return Integer.parseInt(number.getFileName().toString());
                }
            }
        }
        throw new AssertionError(path + " is not open for writing");
    }

    @Test
    void onlyASingleFileGoesIntoADescriptor() throws Exception {
        Path folder = Files.createDirectories(directory.resolve("folder"));
        Content.random(folder.resolve("file"), 1000, 7);
        Path document = Content.random(directory.resolve("document"), 10, 8);
        try (Pair pair = new Pair(directory)) {
            pair.alice.offer(pair.bob.id(), folder);
            Offer offer = pair.offered();
            try (OutputStream out = new FileOutputStream(document.toFile())) {
                int descriptor = Content.descriptor(document);
                HitherException refused = org.junit.jupiter.api.Assertions.assertThrows(
                        HitherException.class, () -> offer.transfer().acceptInto(descriptor));
                assertEquals(HitherException.Reason.INVALID_ARGUMENT, refused.reason());
            }
            offer.transfer().accept();
            pair.toldBob.await("finished", offer.transfer().id());
        }
    }

    @Test
    void contactsAreKept() {
        try (Pair pair = new Pair(directory)) {
            PeerId bob = pair.bob.id();
            pair.alice.renameContact(bob, "Bobby");
            pair.alice.verifyContact(bob, true);
            pair.alice.blockContact(bob, true);
            Contact contact = pair.alice.contacts().get(0);
            assertEquals("Bobby", contact.name());
            assertEquals(bob, contact.id());
            assertTrue(contact.isVerified());
            assertTrue(contact.isBlocked());
            assertEquals(pair.alice.safetyWords(bob), pair.bob.safetyWords(pair.alice.id()));
        }
        try (Hither alice = Hither.open(Pair.loopback(directory.resolve("alice")))) {
            Contact contact = alice.contacts().get(0);
            assertEquals("Bobby", contact.name());
            assertTrue(contact.isBlocked());
            alice.blockContact(contact.id(), false);
            assertFalse(alice.contacts().get(0).isBlocked());
            alice.removeContact(contact.id());
            assertEquals(Collections.emptyList(), alice.contacts());
        }
    }

    @Test
    void whoIsConnectedIsSeen() {
        try (Pair pair = new Pair(directory)) {
            pair.alice.connect(pair.bob.id());
            pair.toldAlice.await("connected", pair.bob.id().toString());
            Peer bob = pair.alice.peers().get(0);
            assertEquals(pair.bob.id(), bob.id());
            assertEquals("bob", bob.name());
            assertTrue(bob.isConnected());
            assertNotNull(bob.roundTrip());
            assertEquals(pair.bob.addresses().get(0), bob.addresses().get(0));
            pair.toldBob.await("connected", pair.alice.id().toString());
            pair.bob.close();
            assertEquals(LinkLoss.CLOSED, pair.toldAlice.await("disconnected", pair.bob.id().toString()).more);
        }
    }

    @Test
    void eventsAreFetchedByPollingToo() {
        try (Hither alice = Hither.open(Pair.loopback(directory.resolve("alice")));
                Hither bob = Hither.open(Pair.loopback(directory.resolve("bob")).worldwide(false))) {
            // Nothing happens to a node that nobody reaches and that looks for nobody.
            assertFalse(bob.poll(Duration.ZERO, new Listener() {}));
            bob.addContact(alice.id(), "alice");
            alice.addAddress(bob.id(), bob.addresses().get(0));
            String sent = alice.sendMessage(bob.id(), "polled");
            String[] text = new String[1];
            Thread[] on = new Thread[1];
            while (text[0] == null) {
                assertTrue(bob.poll(Recorder.PATIENCE, new Listener() {
                    @Override
                    public void onMessage(Hither node, Message message) {
                        assertEquals(sent, message.id());
                        text[0] = message.text();
                        on[0] = Thread.currentThread();
                    }
                }));
            }
            assertEquals("polled", text[0]);
            assertEquals(Thread.currentThread(), on[0]);
        }
    }

    @Test
    void twoMeetByACode() throws Exception {
        Path source = Content.random(directory.resolve("gift"), 100_000, 9);
        Options first = Options.in(directory.resolve("alice")).networkInterface("lo");
        Options second = Options.in(directory.resolve("bob")).networkInterface("lo");
        try (Hither alice = Hither.open(first); Hither bob = Hither.open(second)) {
            Recorder toldAlice = new Recorder();
            Recorder toldBob = new Recorder();
            alice.listen(toldAlice);
            bob.listen(toldBob);
            String code = alice.makeCode(
                    CodePurpose.SEND, Collections.singletonList(source), 3, Duration.ofMinutes(5), 1);
            assertEquals(3, toldAlice.await("code ready", code).more);
            String words = alice.codeWords(code);
            assertEquals(3, words.split("-").length);
            String entered = bob.enterCode(words, CodePurpose.RECEIVE, Collections.emptyList());
            assertEquals(alice.id(), toldBob.await("code proven", entered).more);
            Offer offer = (Offer) toldBob.await("offer").more;
            assertEquals(entered, offer.code());
            assertEquals(Standing.EXPECTED, offer.standing());
            offer.transfer().accept();
            FinishedTransfer received = (FinishedTransfer) toldBob.await("finished").more;
            assertEquals(Content.sha256(source), Content.sha256(Paths.get(received.paths().get(0))));
            assertEquals(CodeEnd.USED, toldAlice.await("code ended", code).more);
            assertNull(alice.codeWords(code));
        }
    }

    /** Who is near is forgotten, and asked for anew: they are there again. */
    @Test
    void whoIsNearIsSeenAndSoughtAnew() throws Exception {
        PeerId other;
        try (Hither bob = Hither.open(Pair.loopback(directory.resolve("bob")))) {
            other = bob.id();
        }
        try (Hither alice = Hither.open(Options.in(directory.resolve("alice")).networkInterface("lo"))) {
            alice.addContact(other, "bob");
            Recorder told = new Recorder();
            alice.listen(told);
            try (Hither bob = Hither.open(Options.in(directory.resolve("bob")).networkInterface("lo"))) {
                bob.addContact(alice.id(), "alice");
                told.await("peers changed", it -> near(alice, other));
                alice.multicastLockHeld(false);
                told.forget();
                alice.multicastLockHeld(true);
                told.await("peers changed", it -> near(alice, other));
            }
        }
    }

    private static boolean near(Hither node, PeerId other) {
        return node.peers().stream().anyMatch(it -> other.equals(it.id()) && it.isNear());
    }

    @Test
    void theAppSaysWhereTheNodeIs() throws Exception {
        Path source = Content.random(directory.resolve("file"), 100_000, 10);
        try (Pair pair = new Pair(directory)) {
            pair.alice.networkChanged(Collections.emptyList());
            pair.alice.networkChanged(List.of(
                    java.net.InetAddress.getByName("127.0.0.1"), java.net.InetAddress.getByName("fe80::1")));
            pair.alice.offer(pair.bob.id(), source);
            pair.offered().transfer().accept();
            pair.toldAlice.await("finished");
        }
    }
}
