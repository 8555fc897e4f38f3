"""Threads of one process that copy, hash and take signals, each against what it must come to.

churn.py SECONDS: exit status 0 when every result was right. The last line counts: copies, hashes,
signals. For a guest: what its kernel does not save of a thread's registers shows here.
"""
import ctypes
import hashlib
import signal
import sys
import threading
import time

THREADS = 6
# Lengths on both sides of where memcpy changes its ways.
LENGTHS = [64, 200, 500, 1300, 4000, 30_000, 200_000]
HASHES = ["sha512", "sha256", "sha1"]
TICK_S = 0.005
# FIPS 180-4, appendix of examples: "abc".
ABC = "a9993e364706816aba3e25717850c26c9cd0d89d"

signals = []
wrong = []
end = time.monotonic() + float(sys.argv[1])


def on_signal(number, _frame):
    signals.append(number)


def pattern(seed, length):
    """Octets that no other seed has."""
    return hashlib.shake_128(bytes([seed])).digest(length)


def copies(source, length):
    """Copies there and back: every octet passes through registers twice."""
    there, back = bytearray(length), bytearray(length)
    hold = (ctypes.c_char * length).from_buffer
    for _ in range(20):
        ctypes.memmove(hold(there), source, length)
        ctypes.memmove(hold(back), hold(there), length)
        if back != source:
            raise ArithmeticError(f"a copy of {length} octets differs")
    return 40


def work(seed, cases, done):
    try:
        while time.monotonic() < end and not wrong:
            for source, digests in cases:
                done["copies"] += copies(source, len(source))
                for name, digest in digests:
                    if hashlib.new(name, source).digest() != digest:
                        raise ArithmeticError(f"{name} of {len(source)} octets differs")
                    done["hashes"] += 1
    except ArithmeticError as error:
        wrong.append(f"thread {seed}: {error}")


def cases_of(seed):
    """Made while one thread runs and nobody sends signals."""
    sources = [pattern(seed, length) for length in LENGTHS]
    digests = [[(name, hashlib.new(name, source).digest()) for name in HASHES] for source in sources]
    return list(zip(sources, digests))


def main():
    if hashlib.sha1(b"abc").hexdigest() != ABC:
        wrong.append("sha1 of abc differs")
    for number in (signal.SIGUSR1, signal.SIGALRM):
        signal.signal(number, on_signal)
    plans = [(seed, cases_of(seed), {"copies": 0, "hashes": 0}) for seed in range(THREADS)]
    threads = [threading.Thread(target=work, args=plan) for plan in plans]
    for thread in threads:
        thread.start()
    # The timer's go to whichever thread works, not to this one.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    signal.setitimer(signal.ITIMER_REAL, TICK_S, TICK_S)
    while any(thread.is_alive() for thread in threads):
        for thread in threads:
            if thread.is_alive():
                signal.pthread_kill(thread.ident, signal.SIGUSR1)
        time.sleep(0.001)
    signal.setitimer(signal.ITIMER_REAL, 0)
    for line in wrong:
        print(line)
    copied, hashed = (sum(done[what] for *_, done in plans) for what in ("copies", "hashes"))
    print(f"{copied} copies, {hashed} hashes, {len(signals)} signals")
    return 1 if wrong else 0


sys.exit(main())
