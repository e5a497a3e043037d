package dev.hither;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Times one file between two command lines and between two JVMs, by turns. See the script {@code bench}.
 *
 * <p>Timed is the receiver: from the offer, which it takes unasked, to the file that is whole, verified and in its place. Of
 * the command line these are the times in its events {@code offer} and {@code done}.
 */
final class Bench {
    /** The most that JNI may add. */
    private static final double MOST = 1.05;

    private Bench() {}

    public static void main(String[] arguments) throws Exception {
        switch (arguments[0]) {
            case "receive":
                receive(Paths.get(arguments[1]));
                break;
            case "send":
                send(Paths.get(arguments[1]), arguments[2], Paths.get(arguments[3]));
                break;
            default:
                compare(Paths.get(arguments[0]), Integer.parseInt(arguments[1]), Integer.parseInt(arguments[2]));
        }
    }

    /** One JVM: takes one offer, and prints what the command line prints. */
    private static void receive(Path home) throws InterruptedException {
        CountDownLatch done = new CountDownLatch(1);
        try (Hither node = Hither.open(Pair.loopback(home))) {
            node.listen(new Listener() {
                @Override
                public void onOffer(Hither from, Offer offer) {
                    print("offer", "");
                    offer.transfer().accept();
                }

                @Override
                public void onFinished(Hither from, Transfer transfer, FinishedTransfer how) {
                    print("done", ",\"root\":\"" + how.root() + "\"");
                    done.countDown();
                }

                @Override
                public void onFailed(Hither from, Transfer transfer, FailedTransfer how) {
                    print("error", ",\"text\":\"" + how + "\"");
                    done.countDown();
                }
            });
            print("ready", ",\"id\":\"" + node.id() + "\",\"at\":\"127.0.0.1:" + port(node) + "\"");
            done.await();
        }
    }

    private static int port(Hither node) {
        return node.addresses().stream()
                .filter(it -> it.getAddress().getHostAddress().startsWith("127."))
                .findFirst()
                .orElseThrow()
                .getPort();
    }

    /** The other JVM. */
    private static void send(Path home, String to, Path file) throws InterruptedException {
        CountDownLatch done = new CountDownLatch(1);
        String[] parts = to.split("@");
        try (Hither node = Hither.open(Pair.loopback(home))) {
            node.listen(new Listener() {
                @Override
                public void onFinished(Hither from, Transfer transfer, FinishedTransfer how) {
                    done.countDown();
                }

                @Override
                public void onFailed(Hither from, Transfer transfer, FailedTransfer how) {
                    System.err.println(how);
                    done.countDown();
                }
            });
            PeerId peer = PeerId.parse(parts[0]);
            node.addAddress(peer, FromNative.socketAddress(parts[1]));
            node.offer(peer, file);
            done.await();
        }
    }

    private static void print(String event, String more) {
        System.out.println("{\"event\":\"" + event + "\",\"time\":" + System.currentTimeMillis() + more + "}");
    }

    private static void compare(Path room, int mib, int runs) throws Exception {
        Path file = Content.random(room.resolve("content"), (long) mib << 20, 1);
        String hash = Content.sha256(file);
        List<Double> cli = new ArrayList<>();
        List<Double> jvm = new ArrayList<>();
        for (int run = 1; run <= runs; run++) {
            // Who comes first may have it easier: by turns.
            for (int turn = 0; turn < 2; turn++) {
                boolean commandLine = (run + turn) % 2 == 1;
                double seconds = once(room, file, hash, commandLine);
                (commandLine ? cli : jvm).add(seconds);
                String who = commandLine ? "two command lines" : "two JVMs";
                System.out.printf("run %d of %d, %s: %.3f s%n", run, runs, who, seconds);
            }
        }
        double ratio = median(jvm) / median(cli);
        System.out.printf(
                "one file of %d MiB, median of %d (shortest to longest): two command lines %s, two JVMs %s; "
                        + "JVMs / command lines %.3f (at most %.2f)%n",
                mib, runs, spread(cli), spread(jvm), ratio, MOST);
        if (ratio > MOST) {
            System.exit(1);
        }
    }

    private static double once(Path room, Path file, String hash, boolean commandLine) throws Exception {
        Path here = Files.createDirectories(room.resolve("run"));
        Path into = here.resolve("receiver").resolve("received");
        // What was written before is not to be written while this one is timed.
        new ProcessBuilder("sync").inheritIO().start().waitFor();
        List<String> receiver = commandLine
                ? cli(here.resolve("receiver"), "--yes", "receive", "--into", into.toString())
                : jvm("receive", here.resolve("receiver").toString());
        Process receiving = start(receiver);
        double seconds;
        try (BufferedReader output =
                new BufferedReader(new InputStreamReader(receiving.getInputStream(), StandardCharsets.UTF_8))) {
            String ready = event(output, "ready");
            String to = match(ready, "\"id\":\"(hi1[^\"]*)\"") + "@" + match(ready, "(127\\.0\\.0\\.1:[0-9]+)");
            List<String> sender = commandLine
                    ? cli(here.resolve("sender"), "send", file.toString(), "--to", to)
                    : jvm("send", here.resolve("sender").toString(), to, file.toString());
            Process sending = start(sender);
            long begun = time(event(output, "offer"));
            seconds = (time(event(output, "done")) - begun) / 1000.0;
            ended(sending);
            ended(receiving);
        } finally {
            receiving.destroy();
        }
        if (!Content.sha256(into.resolve("content")).equals(hash)) {
            throw new AssertionError("what arrived is not what was sent");
        }
        try (Stream<Path> left = Files.walk(here)) {
            for (Path path : (Iterable<Path>) left.sorted(Comparator.reverseOrder())::iterator) {
                Files.delete(path);
            }
        }
        return seconds;
    }

    private static void ended(Process process) throws Exception {
        if (!process.waitFor(60, TimeUnit.SECONDS) || process.exitValue() != 0) {
            process.destroyForcibly();
            throw new AssertionError("a process did not end well");
        }
    }

    private static Process start(List<String> command) throws IOException {
        ProcessBuilder builder = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT);
        builder.redirectInput(ProcessBuilder.Redirect.from(new File("/dev/null")));
        builder.environment().keySet().removeIf(name -> name.startsWith("HITHER_"));
        return builder.start();
    }

    private static List<String> cli(Path home, String... arguments) {
        List<String> command = new ArrayList<>(Collections.singleton(System.getProperty("dev.hither.cli")));
        command.addAll(Arrays.asList("--home", home.toString(), "--interface", "lo", "--json"));
        command.addAll(Arrays.asList(arguments));
        return command;
    }

    private static List<String> jvm(String... arguments) {
        List<String> command = new ArrayList<>();
        command.add(Paths.get(System.getProperty("java.home"), "bin", "java").toString());
        command.add("-D" + Native.LIBRARY + "=" + System.getProperty(Native.LIBRARY));
        command.addAll(Arrays.asList("-cp", System.getProperty("java.class.path"), "dev.hither.Bench"));
        command.addAll(Arrays.asList(arguments));
        return command;
    }

    private static String event(BufferedReader output, String name) throws IOException {
        for (String line = output.readLine(); line != null; line = output.readLine()) {
            if (line.contains("\"event\":\"" + name + "\"")) {
                return line;
            }
            if (line.contains("\"event\":\"error\"")) {
                throw new AssertionError(line);
            }
        }
        throw new AssertionError("a process ended before it said " + name);
    }

    private static long time(String line) {
        return Long.parseLong(match(line, "\"time\":([0-9]+)"));
    }

    private static String match(String line, String pattern) {
        Matcher matcher = Pattern.compile(pattern).matcher(line);
        if (!matcher.find()) {
            throw new AssertionError(line);
        }
        return matcher.group(1);
    }

    private static double median(List<Double> values) {
        double[] sorted = values.stream().mapToDouble(it -> it).sorted().toArray();
        int middle = sorted.length / 2;
        return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }

    private static String spread(List<Double> values) {
        return String.format(
                "%.3f (%.3f to %.3f) s", median(values), Collections.min(values), Collections.max(values));
    }
}
