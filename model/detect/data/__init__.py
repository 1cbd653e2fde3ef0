"""Images with boxes: readers of VOC and COCO folders, SSD's augmentation, batches."""
