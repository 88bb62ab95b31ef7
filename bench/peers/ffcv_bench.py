"""FFCV's side of data_compare.py: writes a folder's JPEG files as a .beton file, or reads one shuffled.

    python ffcv_bench.py write FOLDER OUT.beton --mode raw|jpg
    python ffcv_bench.py read OUT.beton          prints {"images_per_s": median over epochs}
"""
import argparse
import json
import os
import pathlib
import statistics
import time

import numpy as np
from ffcv.fields import IntField, RGBImageField
from ffcv.fields.decoders import IntDecoder, SimpleRGBImageDecoder
from ffcv.loader import Loader, OrderOption
from ffcv.writer import DatasetWriter


class Folder:
    def __init__(self, folder):
        self.files = sorted(pathlib.Path(folder).rglob("*.jpg"))

    def __len__(self):
        return len(self.files)

    def __getitem__(self, i):
        from PIL import Image
        return np.asarray(Image.open(self.files[i]).convert("RGB")), 0


def write(folder, out, mode):
    fields = {"image": RGBImageField(write_mode=mode, max_resolution=256, jpeg_quality=95), "label": IntField()}
    DatasetWriter(str(out), fields, num_workers=os.cpu_count()).from_indexed_dataset(Folder(folder))


def read(path, epochs=6):
    loader = Loader(str(path), batch_size=32, num_workers=os.cpu_count(), order=OrderOption.RANDOM, os_cache=True,
                    pipelines={"image": [SimpleRGBImageDecoder()], "label": [IntDecoder()]})
    rates = []
    for epoch in range(epochs):
        begin, images, total = time.monotonic(), 0, 0
        for image, _ in loader:
            images += len(image)
            total += int(image[0, 0, 0, 0])
        if epoch > 0:  # the first compiles the pipeline
            rates.append(images / (time.monotonic() - begin))
    print(json.dumps({"images_per_s": statistics.median(rates)}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("action", choices=("write", "read"))
    parser.add_argument("paths", nargs="+")
    parser.add_argument("--mode", choices=("raw", "jpg"), default="raw")
    arguments = parser.parse_args()
    if arguments.action == "write":
        write(*arguments.paths, arguments.mode)
    else:
        read(*arguments.paths)
