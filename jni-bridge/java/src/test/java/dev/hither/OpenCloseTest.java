package dev.hither;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Nothing is left of a node that is closed. */
class OpenCloseTest {
    private static final int TIMES = 1000;
    /** What the JVM itself may have more of: a compiler's or a collector's thread that comes and goes, a jar. */
    private static final int SLACK = 12;

    @TempDir
    Path directory;

    @Test
    void aThousandOpensAndClosesLeaveNothing() throws Exception {
        Path home = directory.resolve("node");
        PeerId id = once(home, 0);
        for (int i = 1; i < 20; i++) {
            once(home, i);
        }
        int threads = Content.count("/proc/self/task");
        int descriptors = Content.count("/proc/self/fd");
        for (int i = 0; i < TIMES; i++) {
            assertEquals(id, once(home, i));
        }
        int threadsAfter = Content.count("/proc/self/task");
        int descriptorsAfter = Content.count("/proc/self/fd");
        System.out.printf(
                "%d opens and closes: threads %d, then %d; descriptors %d, then %d%n",
                TIMES, threads, threadsAfter, descriptors, descriptorsAfter);
        assertTrue(threadsAfter <= threads + SLACK, () -> "threads: " + threads + ", then " + threadsAfter);
        assertTrue(
                descriptorsAfter <= descriptors + SLACK, () -> "descriptors: " + descriptors + ", then " + descriptorsAfter);
        for (Thread thread : Thread.getAllStackTraces().keySet()) {
            assertTrue(!thread.getName().startsWith("hither"), thread::getName);
        }
    }

    /** With a listener, with discovery, or with neither. */
    private static PeerId once(Path home, int time) {
        Options options = Options.in(home).networkInterface("lo").discovery(time % 10 == 0).grace(Duration.ofMillis(200));
        try (Hither node = Hither.open(options)) {
            if (time % 2 == 0) {
                node.listen(new Recorder());
            }
            assertEquals(0, node.contacts().size());
            return node.id();
        }
    }
}
