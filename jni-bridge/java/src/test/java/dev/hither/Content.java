package dev.hither;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Random;

/** Content to send, and what is open. */
final class Content {
    private Content() {}

    /** A new file of random bytes, the same for the same seed. */
    static Path random(Path path, long bytes, long seed) throws IOException {
        Random random = new Random(seed);
        byte[] block = new byte[1 << 20];
        try (OutputStream out = Files.newOutputStream(path)) {
            for (long left = bytes; left > 0; left -= block.length) {
                random.nextBytes(block);
                out.write(block, 0, (int) Math.min(left, block.length));
            }
        }
        return path;
    }

    static String sha256(Path path) throws IOException {
        try (InputStream in = Files.newInputStream(path)) {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            byte[] block = new byte[1 << 20];
            for (int read = in.read(block); read >= 0; read = in.read(block)) {
                digest.update(block, 0, read);
            }
            StringBuilder text = new StringBuilder();
            for (byte b : digest.digest()) {
                text.append(String.format("%02x", b));
            }
            return text.toString();
        } catch (NoSuchAlgorithmException error) {
            throw new AssertionError(error);
        }
    }

    /** The number of this process's descriptor that has this path open, as Android tells an app by getFd(). */
    static int descriptor(Path path) throws IOException {
        Path real = path.toRealPath();
        try (DirectoryStream<Path> open = Files.newDirectoryStream(Paths.get("/proc/self/fd"))) {
            for (Path number : open) {
                Path target;
                try {
                    target = Files.readSymbolicLink(number);
                } catch (IOException gone) {
                    continue;
                }
                if (target.equals(real)) {
                    return Integer.parseInt(number.getFileName().toString());
                }
            }
        }
        throw new AssertionError(path + " is not open");
    }

    static int count(String directory) throws IOException {
        int count = 0;
        try (DirectoryStream<Path> entries = Files.newDirectoryStream(Paths.get(directory))) {
            for (Path ignored : entries) {
                count++;
            }
        }
        return count;
    }
}
