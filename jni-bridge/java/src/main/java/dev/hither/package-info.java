/**
 * Hither: messages and files straight between people's own devices.
 *
 * <p>{@link dev.hither.Hither#open(java.nio.file.Path)} starts a node; everything else is asked of it. Values
 * ({@link dev.hither.Contact}, {@link dev.hither.Peer}, {@link dev.hither.Offer} and the like) are snapshots that never change
 * and can be shared between threads.
 *
 * <p>Nothing here is null unless it is annotated so, neither arguments nor results; an argument that is null gives a
 * {@link java.lang.NullPointerException}. Everything else that goes wrong gives a {@link dev.hither.HitherException} with a
 * {@linkplain dev.hither.HitherException.Reason reason}.
 */
@NullMarked
package dev.hither;

import org.jspecify.annotations.NullMarked;
