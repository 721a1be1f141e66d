# Channels and recording configurations as Terraform's AWS provider makes them, on the emulator.
# Run by ../terraform.py, which gives the variables.

terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.0"
    }
  }
}

variable "endpoint" {
  type = string
}

variable "latency" {
  type    = string
  default = "LOW"
}

provider "aws" {
  region                      = "us-west-2"
  access_key                  = "AKIDEMULATOR"
  secret_key                  = "secret"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  max_retries                 = 1

  endpoints {
    ivs = var.endpoint
    sts = var.endpoint
  }
}

resource "aws_ivs_recording_configuration" "archive" {
  for_each = toset(["plain", "whole"])
  name     = each.key

  destination_configuration {
    s3 {
      bucket_name = "archive-${each.key}"
    }
  }

  dynamic "thumbnail_configuration" {
    for_each = each.key == "whole" ? [30] : []
    content {
      recording_mode          = "INTERVAL"
      target_interval_seconds = thumbnail_configuration.value
    }
  }

  recording_reconnect_window_seconds = each.key == "whole" ? 60 : null
  tags                               = each.key == "whole" ? { team = "video" } : null
}

resource "aws_ivs_channel" "bare" {
}

resource "aws_ivs_channel" "main" {
  count                       = 3
  name                        = "main-${count.index}"
  latency_mode                = var.latency
  type                        = "BASIC"
  authorized                  = true
  recording_configuration_arn = aws_ivs_recording_configuration.archive["whole"].arn
  tags                        = { number = count.index, latency = var.latency }
}

data "aws_ivs_stream_key" "main" {
  channel_arn = aws_ivs_channel.main[0].arn
}

output "stream_key" {
  value = data.aws_ivs_stream_key.main.arn
}
