"""python -m ecgpipe"""

from ecgpipe.cli import main

raise SystemExit(main())
