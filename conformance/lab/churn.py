"""Threads of one process that copy, hash, encrypt and take signals, each result being checked.

churn.py SECONDS: exit status 0 when every result was right. The last line counts. For a guest: what
its kernel does not save of a thread's registers shows here. Copies are glibc's; hashes and ciphers
are those of OpenSSL, each with code of its own for each kind of processor.
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
KINDS = ["copies", "hashes", "ciphers"]
TICK_S = 0.005
CIPHERS = ["EVP_chacha20", "EVP_aes_256_gcm"]
# FIPS 180-4, appendix of examples: "abc".
ABC = "a9993e364706816aba3e25717850c26c9cd0d89d"
# RFC 8439 A.1, test vector 1: the first octets under a key of zeros.
ZEROS = "76b8e0ada0f13d90405d6ae55386bd28"

signals = []
wrong = []
end = time.monotonic() + float(sys.argv[1])


libcrypto = ctypes.CDLL("libcrypto.so.3")
for function in ["EVP_CIPHER_CTX_new", *CIPHERS]:
    getattr(libcrypto, function).restype = ctypes.c_void_p


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


def hashed(name, source):
    return hashlib.new(name, source).digest()


def encrypted(name, source):
    """Under a key and a nonce of zeros."""
    context = ctypes.c_void_p(libcrypto.EVP_CIPHER_CTX_new())
    cipher = ctypes.c_void_p(getattr(libcrypto, name)())
    out, length = ctypes.create_string_buffer(len(source)), ctypes.c_int()
    libcrypto.EVP_EncryptInit_ex(context, cipher, None, bytes(32), bytes(16))
    libcrypto.EVP_EncryptUpdate(context, out, ctypes.byref(length), source, len(source))
    libcrypto.EVP_CIPHER_CTX_free(context)
    return out.raw


def work(seed, cases, done):
    try:
        while time.monotonic() < end and not wrong:
            for source, results in cases:
                done["copies"] += copies(source, len(source))
                for what, name, function, right in results:
                    if function(name, source) != right:
                        raise ArithmeticError(f"{name} of {len(source)} octets differs")
                    done[what] += 1
    except ArithmeticError as error:
        wrong.append(f"thread {seed}: {error}")


def cases_of(seed):
    """Made while one thread runs and nobody sends signals."""
    ways = [("hashes", name, hashed) for name in HASHES]
    ways += [("ciphers", name, encrypted) for name in CIPHERS]
    sources = [pattern(seed, length) for length in LENGTHS]
    return [(source, [(*way, way[2](way[1], source)) for way in ways]) for source in sources]


def main():
    if hashlib.sha1(b"abc").hexdigest() != ABC:
        wrong.append("sha1 of abc differs")
    if encrypted("EVP_chacha20", bytes(16)).hex() != ZEROS:
        wrong.append("chacha20 of zeros differs")
    for number in (signal.SIGUSR1, signal.SIGALRM):
        signal.signal(number, on_signal)
    plans = [(seed, cases_of(seed), dict.fromkeys(KINDS, 0)) for seed in range(THREADS)]
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
    counts = [(sum(done[kind] for *_, done in plans), kind) for kind in KINDS]
    print(*(f"{count} {kind}" for count, kind in [*counts, (len(signals), "signals")]), sep=", ")
    return 1 if wrong else 0


sys.exit(main())
