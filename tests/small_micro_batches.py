"""`asyncthink` on a machine whose memory holds the activations of few tokens only."""

import sys

from asyncthink import cli
from asyncthink.training import micro_batches

if __name__ == "__main__":
    micro_batches.ACTIVATIONS = 600_000
    sys.exit(cli.main(sys.argv[1:]))
