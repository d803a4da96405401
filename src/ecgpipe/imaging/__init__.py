"""From records to images without pages files between (``keep_pages: false``); above the stages that it joins."""
