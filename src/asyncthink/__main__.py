"""`python -m asyncthink`."""

import sys

from asyncthink.cli import main

sys.exit(main())
