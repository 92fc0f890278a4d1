"""What this machine allows a test."""
import resource


def descriptors_for(count, others=200):
    """
    COUNT, or as many sockets as this process may open in addition to OTHERS descriptors. A server that the test starts
    has the same limit in each child.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return count if soft == resource.RLIM_INFINITY else min(count, soft - others)
