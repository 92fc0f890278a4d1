"""Waiting with generous limits: a deadline shows that something is broken, never how fast it is."""
import time

DEADLINE = 60.0  # seconds; other builds may run on the machine


def wait_until(predicate, deadline=DEADLINE, what="the condition", pause=0.02):
    """Polls PREDICATE until it returns something true, and returns that."""
    end = time.monotonic() + deadline
    while True:
        result = predicate()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline} s: {what}")
        time.sleep(pause)


def in_time(request, deadline=60.0):
    """
    What REQUEST() returns; it is called again if the server's RequestReadTimeout ended before this process could send
    the request.
    """
    end = time.monotonic() + deadline
    while True:
        try:
            return request()
        except (OSError, AssertionError) as error:
            is_late = isinstance(error, OSError) or "<408 " in str(error) or "connection ended" in str(error)
            if not is_late or time.monotonic() > end:
                raise
