"""`asyncthink` on a machine whose memory holds the activations of few tokens only, and whole logits of none."""

import sys

from asyncthink import cli
from asyncthink.training import log_probabilities, micro_batches

if __name__ == "__main__":
    micro_batches.ACTIVATIONS = 600_000
    log_probabilities.SMALL["cpu"] = 0
    sys.exit(cli.main(sys.argv[1:]))
