"""Run ECG-Image-Kit for one record after another.

The kit's interpreter runs this file, so it imports nothing from this package.

``python kit_driver.py FOLDER OPTION...``: the folder and the options of the kit's program. Each line of standard input
is a JSON request, ``{"input": folder of one record, "output": folder, "seed": number}``; each line of standard output
is a reply, ``{"error": text or null}``, the first one when the kit is ready. When the input ends, the process ends at
once, so it never outlives the job that started it, however that job ended.
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
    """Seed all random generators that the kit uses; the kit itself seeds only the first one."""
    import imgaug.random
    import numpy

    imgaug.random.seed(number)  # first, since its first call draws from NumPy
    numpy.random.seed(number)
    random.seed(number)


def main():
    folder, options = sys.argv[1], sys.argv[2:]
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # the kit's own output must not mix with the replies

    def reply(error=None):
        print(json.dumps({"error": error}), file=replies, flush=True)

    requests = queue.Queue()
    threading.Thread(target=_receive, args=(requests,), daemon=True).start()
    os.chdir(folder)  # the kit looks for fonts and textures in the working directory
    sys.path[0] = folder
    listdir = os.listdir
    os.listdir = lambda path=".": sorted(listdir(path))  # the kit chooses textures by their position in this list
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
