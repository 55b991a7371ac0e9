"""The champion recipe for rows: four views of different kinds, each as nats of its own tail, blended."""
