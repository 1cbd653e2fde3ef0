"""How good detections are: VOC's eleven points, COCO's average precision, images a second."""
