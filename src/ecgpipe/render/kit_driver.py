"""Run ECG-Image-Kit for one record after another.

The kit's interpreter runs this file, so it imports nothing from this package.

``python kit_driver.py FOLDER OPTION...``: FOLDER is that of the kit's program, the options are the program's. Each line
of the standard input is a request in JSON, ``{"input": folder of one record, "output": folder, "seed": number}``; each
line of the standard output is a reply, ``{"error": text or null}``, the first one when the kit is ready. When the input
ends the process ends at once, so it never outlives the job that started it, however that ended.
"""

import json
import os
import queue
import random
import sys
import threading
import traceback


def _receive(requests):
    for line in sys.stdin:
        requests.put(json.loads(line))
    os._exit(0)  # even in the middle of a page


def _seed(number):
    """Seed all random numbers that the kit uses; it seeds only the first kind itself."""
    import imgaug.random
    import numpy

    imgaug.random.seed(number)  # first, since its first call draws from NumPy
    numpy.random.seed(number)
    random.seed(number)


def main():
    folder, options = sys.argv[1], sys.argv[2:]
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the kit prints must not mix with the replies

    def reply(error=None):
        print(json.dumps({"error": error}), file=replies, flush=True)

    requests = queue.Queue()
    threading.Thread(target=_receive, args=(requests,), daemon=True).start()
    os.chdir(folder)  # the kit looks for fonts and textures in the working directory
    sys.path[0] = folder
    listdir = os.listdir
    os.listdir = lambda path=".": sorted(listdir(path))  # the kit chooses textures by their place in this list
    import gen_ecg_images_from_data_batch as kit

    parser = kit.get_parser()
    reply()
    while True:
        request = requests.get()
        files = ["-i", request["input"], "-o", request["output"], "-se", str(request["seed"])]
        try:
            _seed(request["seed"])
            kit.run(parser.parse_args(files + options))
        except (Exception, SystemExit) as error:
            traceback.print_exc()
            reply(f"{type(error).__name__}: {error}")
        else:
            reply()


if __name__ == "__main__":
    main()
