package dev.hither;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.hither.HitherException.Reason;
import java.io.FileInputStream;
import java.io.InputStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/** Whatever is done wrong gives a typed exception, and never ends the JVM. */
@Timeout(300)
class HostileTest {
    private static final String HEX = "00112233445566778899aabbccddeeff";

    @TempDir
    Path directory;

    private static void assertReason(Reason reason, Executable call) {
        HitherException error = assertThrows(HitherException.class, call);
        assertEquals(reason, error.reason(), error::toString);
    }

    private Hither open(String name) {
        return Hither.open(Pair.loopback(directory.resolve(name)));
    }

    /** Every native function, called with nothing but nulls and a number that names no node. */
    @Test
    void everyNativeFunctionStandsNullsAndFalseNumbers() throws Exception {
        Native.load();
        int called = 0;
        try (Hither node = open("alice")) {
            for (Method method : Native.class.getDeclaredMethods()) {
                if (!Modifier.isNative(method.getModifiers())) {
                    continue;
                }
                for (long number : new long[] {0, -1, 1L << 62, Long.MIN_VALUE, node.handle()}) {
                    // It closes what is open; and nobody is told anything here.
                    if (number == node.handle() && (method.getName().equals("close") || method.getName().equals("next"))) {
                        continue;
                    }
                    call(method, number, node.handle());
                    called++;
                }
            }
            assertEquals(node.id(), PeerId.parse(node.id().toString()));
            assertEquals(Collections.emptyList(), node.transfers());
        }
        assertTrue(called > 150, () -> "few native functions");
    }

    private static void call(Method method, long number, long open) throws Exception {
        Class<?>[] types = method.getParameterTypes();
        Object[] arguments = new Object[types.length];
        boolean texts = false;
        for (int i = 0; i < types.length; i++) {
            boolean first = i == 0;
            if (types[i] == long.class) {
                arguments[i] = first ? number : -1L;
            } else if (types[i] == int.class) {
                arguments[i] = -1;
            } else if (types[i] == boolean.class) {
                arguments[i] = true;
            } else {
                texts = true;
            }
        }
        try {
            method.invoke(null, arguments);
        } catch (InvocationTargetException thrown) {
            Throwable error = thrown.getCause();
            boolean typed = error instanceof NullPointerException
                    || error instanceof HitherException && ((HitherException) error).reason() != Reason.INTERNAL;
            assertTrue(typed, () -> method + ": " + error);
            return;
        }
        boolean fine = number == open && !texts || method.getName().equals("close");
        assertTrue(fine, () -> method + " does not mind " + number);
    }

    @Test
    void afterCloseEveryCallSaysSo() throws Exception {
        Path file = Content.random(directory.resolve("file"), 10, 1);
        Hither node = open("alice");
        PeerId other;
        try (Hither bob = open("bob")) {
            other = bob.id();
        }
        node.close();
        node.close();
        assertTrue(node.isClosed());
        assertEquals(61, node.id().toString().length());
        Transfer transfer = node.transfer(HEX);
        List<Path> none = Collections.emptyList();
        Executable[] calls = {
            node::addresses,
            () -> node.addAddress(other, new InetSocketAddress("127.0.0.1", 1)),
            () -> node.connect(other),
            node::peers,
            node::contacts,
            () -> node.addContact(other, "bob"),
            () -> node.renameContact(other, "bob"),
            () -> node.removeContact(other),
            () -> node.blockContact(other, true),
            () -> node.verifyContact(other, true),
            () -> node.safetyWords(other),
            () -> node.sendMessage(other, "hello"),
            () -> node.offer(other, file),
            () -> {
                try (InputStream in = new FileInputStream(file.toFile())) {
                    node.offer(other, Content.descriptor(file), "other name");
                }
            },
            node::transfers,
            () -> node.makeCode(CodePurpose.PAIR, none, 3, Duration.ofMinutes(1), 1),
            () -> node.codeWords(HEX),
            () -> node.enterCode("acid-melody-zebra", CodePurpose.PAIR, none),
            () -> node.withdrawCode(HEX),
            () -> node.showNearby("alice", Duration.ofMinutes(1)),
            node::hide,
            () -> node.networkChanged(Collections.emptyList()),
            () -> node.multicastLockHeld(true),
            () -> node.multicastLockHeld(false),
            () -> node.listen(new Recorder()),
            () -> node.poll(Duration.ZERO, new Recorder()),
            transfer::accept,
            () -> transfer.acceptInto(0),
            transfer::refuse,
            transfer::pause,
            transfer::resume,
            transfer::cancel,
            transfer::progress,
        };
        for (Executable call : calls) {
            assertReason(Reason.CLOSED, call);
        }
        assertFalse(Files.exists(directory.resolve("alice/state/lent/0")));
    }

    @Test
    void nullGivesNullPointerException() {
        try (Hither node = open("alice")) {
            PeerId me = node.id();
            Executable[] calls = {
                () -> Hither.open((Path) null),
                () -> Hither.open((Options) null),
                () -> PeerId.parse(null),
                () -> node.connect(null),
                () -> node.addContact(null, "bob"),
                () -> node.addContact(me, null),
                () -> node.sendMessage(null, "hello"),
                () -> node.sendMessage(me, null),
                () -> node.offer(me, (Path) null),
                () -> node.offer(me, (List<Path>) null),
                () -> node.offer(me, 0, null),
                () -> node.transfer(null),
                () -> node.makeCode(null, Collections.emptyList(), 3, Duration.ofMinutes(1), 1),
                () -> node.enterCode(null, CodePurpose.PAIR, Collections.emptyList()),
                () -> node.addAddress(me, null),
                () -> node.networkChanged(null),
                () -> node.networkChanged(Collections.singleton(null)),
                () -> node.listen(null),
                () -> node.poll(Duration.ZERO, null),
                () -> node.poll(null, new Recorder()),
                () -> node.transfer(HEX).accept((Path) null),
                () -> node.transfer(HEX).accept(null, null, null),
            };
            for (Executable call : calls) {
                assertThrows(NullPointerException.class, call);
            }
        }
    }

    @Test
    void enormousTextsAreTooLong() {
        String huge = "x".repeat(100_000_000);
        String wide = "😀".repeat(9000);
        try (Hither node = open("alice"); Hither bob = open("bob")) {
            assertReason(Reason.TOO_LONG, () -> node.sendMessage(bob.id(), huge));
            // Few enough UTF-16 units, and too many bytes.
            assertReason(Reason.TOO_LONG, () -> node.sendMessage(bob.id(), wide));
            assertReason(Reason.INVALID_ARGUMENT, () -> node.sendMessage(bob.id(), ""));
            assertReason(Reason.TOO_LONG, () -> node.addContact(bob.id(), huge));
            assertReason(Reason.INVALID_NAME, () -> node.addContact(bob.id(), "x".repeat(65)));
            assertReason(Reason.TOO_LONG, () -> node.offer(bob.id(), Paths.get(huge)));
            assertReason(Reason.TOO_LONG, () -> node.offer(bob.id(), Collections.nCopies(10_001, directory)));
            assertReason(Reason.TOO_LONG, () -> node.offer(bob.id(), 0, huge));
            assertReason(Reason.TOO_LONG, () -> node.showNearby(huge, Duration.ofMinutes(1)));
            assertReason(Reason.TOO_LONG, () -> node.enterCode(huge, CodePurpose.PAIR, Collections.emptyList()));
            assertReason(Reason.INVALID_ID, () -> node.transfer(huge).cancel());
            assertReason(Reason.INVALID_ID, () -> PeerId.parse(huge));
            assertReason(Reason.TOO_LONG, () -> Hither.open(Paths.get(huge)));
            assertReason(Reason.TOO_LONG, () -> Hither.open(Pair.loopback(directory.resolve("c")).networkInterface(huge)));
            // The longest that goes, and half a character, which is replaced.
            String sent = node.sendMessage(bob.id(), "x".repeat(32 * 1024));
            assertEquals(32, sent.length());
            node.sendMessage(bob.id(), "half: \ud800");
        }
    }

    @Test
    void whatIsNoIdIsNone() {
        try (Hither node = open("alice")) {
            for (String id : new String[] {"", "0", HEX + "0", "+" + HEX.substring(1), "g".repeat(32), "\u0000".repeat(32)}) {
                assertReason(Reason.INVALID_ID, () -> node.transfer(id).accept());
                assertReason(Reason.INVALID_ID, () -> node.transfer(id).cancel());
                assertReason(Reason.INVALID_ID, () -> node.transfer(id).progress());
                assertReason(Reason.INVALID_ID, () -> node.codeWords(id));
            }
            assertReason(Reason.UNKNOWN_TRANSFER, () -> node.transfer(HEX).accept());
            assertReason(Reason.UNKNOWN_TRANSFER, () -> node.transfer(HEX).accept(directory));
            assertReason(Reason.UNKNOWN_TRANSFER, () -> node.transfer(HEX).acceptInto(0));
            assertReason(Reason.UNKNOWN_TRANSFER, () -> node.transfer(HEX).refuse());
            assertReason(Reason.UNKNOWN_TRANSFER, () -> node.transfer(HEX).pause());
            assertReason(Reason.UNKNOWN_TRANSFER, () -> node.transfer(HEX).resume());
            assertReason(Reason.UNKNOWN_TRANSFER, () -> node.transfer(HEX).cancel());
            assertNull(node.transfer(HEX).progress());
            assertNull(node.codeWords(HEX));
            node.withdrawCode(HEX);
        }
    }

    @Test
    void whatMakesNoSenseIsRefused() throws Exception {
        Path file = Content.random(directory.resolve("file"), 10, 1);
        try (Hither node = open("alice"); Hither bob = open("bob")) {
            PeerId me = node.id();
            PeerId other = bob.id();
            List<Path> none = Collections.emptyList();
            Duration minute = Duration.ofMinutes(1);
            assertReason(Reason.ONESELF, () -> node.addContact(me, "me"));
            assertReason(Reason.ONESELF, () -> node.sendMessage(me, "hello"));
            assertReason(Reason.ONESELF, () -> node.offer(me, file));
            assertReason(Reason.INVALID_ARGUMENT, () -> node.offer(other, none));
            assertReason(Reason.INVALID_NAME, () -> node.addContact(other, "two\nlines"));
            assertReason(Reason.UNKNOWN_CONTACT, () -> node.renameContact(other, "bob"));
            assertReason(Reason.UNKNOWN_CONTACT, () -> node.removeContact(other));
            assertReason(Reason.UNKNOWN_CONTACT, () -> node.blockContact(other, true));
            node.addContact(other, "bob");
            node.blockContact(other, true);
            assertReason(Reason.BLOCKED, () -> node.sendMessage(other, "hello"));
            assertReason(Reason.BLOCKED, () -> node.offer(other, file));
            assertReason(Reason.INVALID_ARGUMENT, () -> node.makeCode(CodePurpose.PAIR, none, 2, minute, 1));
            assertReason(Reason.INVALID_ARGUMENT, () -> node.makeCode(CodePurpose.PAIR, none, 259, minute, 1));
            assertReason(Reason.INVALID_ARGUMENT, () -> node.makeCode(CodePurpose.PAIR, none, 3, Duration.ZERO, 1));
            assertReason(Reason.INVALID_ARGUMENT, () -> node.makeCode(CodePurpose.PAIR, none, 3, minute, 65_537));
            assertReason(Reason.INVALID_ARGUMENT, () -> node.enterCode("one two", CodePurpose.PAIR, none));
            // What was typed may be all but one letter of the secret: it is in no exception, as those get into logs.
            HitherException unknown =
                    assertThrows(HitherException.class, () -> node.enterCode("acid zebrx melody", CodePurpose.PAIR, none));
            assertEquals(Reason.INVALID_ARGUMENT, unknown.reason());
            assertTrue(unknown.getMessage().contains("word 2"), unknown::getMessage);
            assertFalse(unknown.getMessage().contains("zeb"), unknown::getMessage);
            assertReason(Reason.INVALID_NAME, () -> node.showNearby("", minute));
            assertReason(
                    Reason.INVALID_ARGUMENT, () -> node.addAddress(other, new InetSocketAddress("0.0.0.0", 4242)));
            assertReason(Reason.INVALID_ARGUMENT, () -> node.addAddress(other, new InetSocketAddress("127.0.0.1", 0)));
            assertThrows(
                    NullPointerException.class,
                    () -> node.addAddress(other, InetSocketAddress.createUnresolved("example.org", 1)));
            node.listen(new Recorder());
            assertThrows(IllegalStateException.class, () -> node.listen(new Recorder()));
        }
    }

    @Test
    void whatIsNoDescriptorIsNone() throws Exception {
        Path file = Content.random(directory.resolve("file"), 10, 1);
        try (Hither node = open("alice"); Hither bob = open("bob")) {
            PeerId other = bob.id();
            for (int wrong : new int[] {-1, Integer.MIN_VALUE, Integer.MAX_VALUE, 100_000}) {
                assertReason(Reason.INVALID_DESCRIPTOR, () -> node.offer(other, wrong, "name"));
            }
            try (InputStream in = new FileInputStream(file.toFile())) {
                int descriptor = Content.descriptor(file);
                for (String name : new String[] {"", ".", "..", "../key", "a/b", "a\u0000b", ".hither-x.part"}) {
                    assertReason(Reason.INVALID_NAME, () -> node.offer(other, descriptor, name));
                }
                assertReason(Reason.ONESELF, () -> node.offer(node.id(), descriptor, "name"));
                // It is the app's, and open all the same.
                assertEquals(10, in.available());
            }
        }
    }

    /** Root may write everywhere, but not below a file. */
    @Test
    void aDirectoryThatCannotBeWritten() throws Exception {
        Path file = Content.random(directory.resolve("file"), 10, 1);
        assertReason(Reason.NOT_WRITABLE, () -> Hither.open(Pair.loopback(file)));
        assertReason(Reason.NOT_WRITABLE, () -> Hither.open(Pair.loopback(file.resolve("home"))));
        assertReason(Reason.NOT_WRITABLE, () -> Hither.open(Pair.loopback(Paths.get("/proc/hither"))));

        Path key = Files.createDirectories(directory.resolve("damaged")).resolve("key");
        Files.write(key, "no key".getBytes(StandardCharsets.UTF_8));
        assertReason(Reason.KEY_UNUSABLE, () -> open("damaged"));
        assertEquals("no key", new String(Files.readAllBytes(key), StandardCharsets.UTF_8));

        Files.createDirectories(directory.resolve("odd"));
        Content.random(directory.resolve("odd/contacts"), 10_000, 1);
        assertReason(Reason.RECORDS_UNUSABLE, () -> open("odd"));

        try (Hither first = open("alice")) {
            assertReason(Reason.IN_USE, () -> open("alice"));
            int port = first.addresses().get(0).getPort();
            assertReason(Reason.NETWORK, () -> Hither.open(Pair.loopback(directory.resolve("bob")).port(port)));
        }
        assertReason(Reason.NETWORK, () -> Hither.open(Pair.loopback(directory.resolve("bob")).networkInterface("no0")));
        assertReason(Reason.INVALID_ARGUMENT, () -> Hither.open(Pair.loopback(directory.resolve("bob")).port(65_536)));
        assertReason(Reason.INVALID_ARGUMENT, () -> Hither.open(Pair.loopback(directory.resolve("bob")).limits(-1, 0)));
        assertReason(Reason.INVALID_ARGUMENT, () -> Hither.open(Pair.loopback(directory.resolve("bob"))
                .bootstrap(new InetSocketAddress("127.0.0.1", 0))));
        assertThrows(NullPointerException.class, () -> Hither.open(Pair.loopback(directory.resolve("bob"))
                .bootstrap(InetSocketAddress.createUnresolved("nowhere.invalid", 1))));
        // None of it is in the way of what comes after.
        open("bob").close();
    }

    /** The folder of an offer cannot be made: the offer is refused, and both learn why. */
    @Test
    void aFolderThatCannotBeWrittenRefusesWhatIsOffered() throws Exception {
        Path file = Content.random(directory.resolve("file"), 10, 1);
        try (Pair pair = new Pair(directory, options -> options.received(file.resolve("received")))) {
            Transfer sending = pair.alice.offer(pair.bob.id(), file);
            Offer offer = pair.offered();
            assertEquals(Decision.REFUSED, offer.decision());
            assertEquals(Refusal.NOT_WRITABLE, offer.refusal());
            assertReason(Reason.UNKNOWN_TRANSFER, () -> offer.transfer().accept());
            FailedTransfer failed = (FailedTransfer) pair.toldAlice.await("failed", sending.id()).more;
            assertEquals(Refusal.NOT_WRITABLE.toString(), failed.detail());
        }
    }

    @Test
    void aListenerThatThrowsIsToldSoAndHearsTheNext() {
        AtomicInteger failures = new AtomicInteger();
        Recorder recorder = new Recorder() {
            @Override
            public void onMessage(Hither node, Message message) {
                super.onMessage(node, message);
                if (message.text().equals("deep")) {
                    onMessage(node, message, 0);
                }
                throw new IllegalStateException("thrown on purpose");
            }

            /** For ever. */
            private long onMessage(Hither node, Message message, long depth) {
                return onMessage(node, message, depth + 1) + 1;
            }

            @Override
            public void onListenerFailure(Hither node, Throwable thrown) {
                failures.incrementAndGet();
                throw new AssertionError("and again", thrown);
            }
        };
        try (Hither alice = open("alice"); Hither bob = open("bob")) {
            bob.listen(recorder);
            bob.addContact(alice.id(), "alice");
            alice.addAddress(bob.id(), bob.addresses().get(0));
            for (String text : new String[] {"one", "deep", "three"}) {
                recorder.await("message", alice.sendMessage(bob.id(), text));
            }
            // What a listener throws on the thread that polls is that thread's.
            alice.addContact(bob.id(), "bob");
            String answer = bob.sendMessage(alice.id(), "four");
            Error thrown = new Error("thrown on purpose");
            Error caught = assertThrows(Error.class, () -> {
                while (alice.poll(Recorder.PATIENCE, new Listener() {
                    @Override
                    public void onMessage(Hither node, Message message) {
                        assertEquals(answer, message.id());
                        throw thrown;
                    }
                })) {
                    // Receipts of the others.
                }
            });
            assertSame(thrown, caught);
        }
        assertEquals(3, failures.get());
    }

    @Test
    void aListenerClosesItsNode() throws Exception {
        CountDownLatch closed = new CountDownLatch(1);
        AtomicReference<Thread> on = new AtomicReference<>();
        try (Hither alice = open("alice"); Hither bob = open("bob")) {
            bob.addContact(alice.id(), "alice");
            bob.listen(new Listener() {
                @Override
                public void onMessage(Hither node, Message message) {
                    on.set(Thread.currentThread());
                    node.close();
                    closed.countDown();
                }
            });
            alice.addAddress(bob.id(), bob.addresses().get(0));
            alice.sendMessage(bob.id(), "the last one");
            closed.await();
            on.get().join(Recorder.PATIENCE.toMillis());
            assertFalse(on.get().isAlive());
            assertTrue(on.get().isDaemon());
            assertReason(Reason.CLOSED, bob::peers);
        }
    }

    /** Whoever waits for events when a node is closed is told so at once. */
    @Test
    void closingWakesWhoWaits() throws Exception {
        Hither node = open("alice");
        AtomicReference<Reason> reason = new AtomicReference<>();
        CountDownLatch waits = new CountDownLatch(1);
        Thread waiting = new Thread(() -> {
            waits.countDown();
            try {
                while (node.poll(Duration.ofHours(1), new Recorder())) {}
            } catch (HitherException error) {
                reason.set(error.reason());
            }
        });
        waiting.start();
        waits.await();
        node.close();
        waiting.join(Recorder.PATIENCE.toMillis());
        assertEquals(Reason.CLOSED, reason.get());
    }

    /** Many threads call whatever there is while others close: each call is done, or says that the node is closed. */
    @Test
    void manyThreadsCallWhileOthersClose() throws Exception {
        Path file = Content.random(directory.resolve("file"), 100_000, 1);
        for (int round = 0; round < 20; round++) {
            Hither alice = open("alice");
            Hither bob = open("bob");
            PeerId other = bob.id();
            alice.addAddress(other, bob.addresses().get(0));
            alice.listen(new Recorder());
            AtomicReference<Throwable> wrong = new AtomicReference<>();
            AtomicInteger done = new AtomicInteger();
            List<Thread> threads = new ArrayList<>();
            for (int i = 0; i < 16; i++) {
                int which = i;
                threads.add(new Thread(() -> {
                    try {
                        while (true) {
                            act(alice, other, file, which);
                            done.incrementAndGet();
                        }
                    } catch (HitherException error) {
                        if (error.reason() != Reason.CLOSED) {
                            wrong.set(error);
                        }
                    } catch (Throwable error) {
                        wrong.set(error);
                    }
                }));
            }
            threads.forEach(Thread::start);
            while (done.get() < 50 && wrong.get() == null) {
                Thread.sleep(1);
            }
            List<Thread> closers = new ArrayList<>();
            for (int i = 0; i < 4; i++) {
                closers.add(new Thread(alice::close));
            }
            closers.forEach(Thread::start);
            for (Thread thread : closers) {
                thread.join();
            }
            for (Thread thread : threads) {
                thread.join();
            }
            bob.close();
            assertNull(wrong.get(), () -> "" + wrong.get());
        }
    }

    private static void act(Hither node, PeerId other, Path file, int which) {
        try {
            switch (which % 8) {
                case 0:
                    node.sendMessage(other, "hello");
                    break;
                case 1:
                    node.offer(other, file).cancel();
                    break;
                case 2:
                    node.addContact(other, "bob");
                    break;
                case 3:
                    node.peers();
                    node.contacts();
                    break;
                case 4:
                    node.transfers();
                    break;
                case 5:
                    node.poll(Duration.ofMillis(1), new Recorder());
                    break;
                case 6:
                    node.networkChanged(Collections.emptyList());
                    break;
                default:
                    node.withdrawCode(node.makeCode(CodePurpose.PAIR, Collections.emptyList(), 3, Duration.ofMinutes(1), 1));
            }
        } catch (HitherException error) {
            // So many at once are too many, and what was offered may be over when it is cancelled.
            if (error.reason() != Reason.TOO_MANY && error.reason() != Reason.UNKNOWN_TRANSFER) {
                throw error;
            }
        }
    }
}
