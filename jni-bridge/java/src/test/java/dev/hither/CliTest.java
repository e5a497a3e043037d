package dev.hither;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** This JVM and the command line, over loopback. */
@Timeout(120)
class CliTest {
    @TempDir
    Path directory;

    /** A command that runs. It does not outlive the value. */
    final class Cli implements AutoCloseable {
        private final Process process;
        private final BufferedReader output;

        Cli(String... arguments) throws IOException {
            List<String> command = new ArrayList<>();
            command.add(System.getProperty("dev.hither.cli"));
            command.addAll(Arrays.asList("--home", directory.resolve("cli").toString(), "--interface", "lo", "--json"));
            command.addAll(Arrays.asList(arguments));
            ProcessBuilder builder = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT);
            builder.redirectInput(ProcessBuilder.Redirect.from(new java.io.File("/dev/null")));
            builder.environment().keySet().removeIf(name -> name.startsWith("HITHER_"));
            process = builder.start();
            output = new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
        }

        /** The line of the next event of that name. */
        String event(String name) throws IOException {
            for (String line = output.readLine(); line != null; line = output.readLine()) {
                if (line.contains("\"event\":\"" + name + "\"")) {
                    return line;
                }
            }
            throw new AssertionError("the command ended before it said " + name);
        }

        /** Waits until it has ended well. */
        void end() throws IOException, InterruptedException {
            while (output.readLine() != null) {
                // The rest does not matter.
            }
            assertEquals(0, process.waitFor());
        }

        @Override
        public void close() throws IOException {
            process.destroy();
            try {
                if (!process.waitFor(10, TimeUnit.SECONDS)) {
                    process.destroyForcibly().waitFor();
                }
            } catch (InterruptedException error) {
                throw new AssertionError(error);
            }
            output.close();
        }
    }

    private static String field(String line, String name) {
        Matcher matcher = Pattern.compile("\"" + name + "\":\"([^\"]*)\"").matcher(line);
        assertTrue(matcher.find(), line);
        return matcher.group(1);
    }

    private static String address(String ready) {
        Matcher matcher = Pattern.compile("127\\.0\\.0\\.1:[0-9]+").matcher(ready);
        assertTrue(matcher.find(), ready);
        return matcher.group();
    }

    private static String at(Hither node) {
        String address = node.addresses().stream()
                .map(it -> it.getAddress().getHostAddress() + ":" + it.getPort())
                .filter(it -> it.startsWith("127."))
                .findFirst()
                .orElseThrow();
        return node.id() + "@" + address;
    }

    @Test
    void aMessageGoesEachWay() throws Exception {
        try (Hither node = Hither.open(Pair.loopback(directory.resolve("jvm")))) {
            Recorder told = new Recorder();
            node.listen(told);
            PeerId cli;
            try (Cli id = new Cli("id")) {
                cli = PeerId.parse(field(id.event("id"), "id"));
                id.end();
            }
            node.addContact(cli, "cli");
            try (Cli msg = new Cli("msg", at(node), "from the command line")) {
                assertTrue(msg.event("sent").contains("\"delivered\""));
                msg.end();
            }
            Message message = (Message) told.await("message").more;
            assertEquals("from the command line", message.text());
            assertEquals(cli, message.from());
            assertEquals(Standing.CONTACT, message.standing());

            try (Cli add = new Cli("contacts", "add", "jvm", node.id().toString())) {
                add.end();
            }
            try (Cli up = new Cli("up")) {
                node.addAddress(cli, FromNative.socketAddress(address(up.event("ready"))));
                String sent = node.sendMessage(cli, "from the JVM");
                assertEquals("from the JVM", field(up.event("message"), "text"));
                told.await("DELIVERED", sent);
            }
        }
    }

    @Test
    void aFileGoesEachWay() throws Exception {
        Path there = Content.random(directory.resolve("to the JVM"), 20 << 20, 11);
        Path back = Content.random(directory.resolve("to the command line"), 20 << 20, 12);
        try (Hither node = Hither.open(Pair.loopback(directory.resolve("jvm")))) {
            Recorder told = new Recorder();
            node.listen(told);
            PeerId cli;
            try (Cli send = new Cli("send", there.toString(), "--to", at(node))) {
                Offer offer = (Offer) told.await("offer").more;
                assertEquals(Standing.STRANGER, offer.standing());
                assertEquals(Decision.ASK, offer.decision());
                cli = offer.from();
                offer.transfer().accept(directory.resolve("received"));
                told.await("finished", offer.transfer().id());
                send.event("done");
                send.end();
            }
            assertEquals(Content.sha256(there), Content.sha256(directory.resolve("received").resolve("to the JVM")));

            Path into = Files.createDirectories(directory.resolve("into"));
            try (Cli receive = new Cli("--yes", "receive", "--into", into.toString())) {
                node.addAddress(cli, FromNative.socketAddress(address(receive.event("ready"))));
                Transfer sending = node.offer(cli, back);
                String root = ((FinishedTransfer) told.await("finished", sending.id()).more).root();
                assertEquals(root, field(receive.event("done"), "root"));
                receive.end();
            }
            assertEquals(Content.sha256(back), Content.sha256(into.resolve("to the command line")));
        }
    }
}
